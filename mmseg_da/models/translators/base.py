"""What changes the look of images before a segmentor sees them."""

from collections.abc import Sequence

from mmengine.model import BaseModule
from mmseg.structures import SegDataSample
from torch import Tensor


class Translator(BaseModule):
    """Gives source images the look of the target. It is used, not trained.

    A subclass answers :meth:`translate`; whatever must survive a resume is a buffer or parameter.

    Attributes:
        divisor: Of which the sides of the source images have to be multiples.
        min_size: The shortest side that they may have.
        tileable: What it makes of a part of an image is that part of what it makes of the whole.
    """

    divisor, min_size = 1, 1
    tileable = True

    def translate(self, source: Tensor, target: Tensor) -> Tensor:
        """Translate a batch; called without gradient.

        Args:
            source: RGB pixels (N, 3, H, W) in [0, 255], float32.
            target: RGB pixels of target images, of any size, as a model of the look.

        Returns:
            RGB pixels (N, 3, H, W). May leave [0, 255]; they are not clipped.
        """
        raise NotImplementedError

    def translate_samples(
        self, source: Tensor, target: Tensor, samples: Sequence[SegDataSample]
    ) -> Tensor:
        """The same, for a translator that wants to know more of each source image.

        Args:
            source: As in :meth:`translate`.
            target: The same.
            samples: The data sample of each source image.
        """
        return self.translate(source, target)
