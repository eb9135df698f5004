"""From the loader's lists of pixels to each domain's batch of images."""

from typing import Any

import torch
from mmseg.models.data_preprocessor import SegDataPreProcessor
from torch import Tensor, nn

from mmseg_da.errors import UserError
from mmseg_da.functional import denormalise, normalise
from mmseg_da.registry import MODELS

DOMAINS = ('source', 'target')
LABELLED = 'labelled'
"""The third domain that a training may have: images of the target with their labels."""


@MODELS.register_module()
class DomainPreprocessor(SegDataPreProcessor):
    """mmseg's preprocessor, once per domain in training.

    Takes every argument of ``SegDataPreProcessor``. In training it reads a batch
    ``{'source': {...}, 'target': {...}}``, with a third domain ``'labelled'`` where an objective
    needs it, of uint8 pixels (3, H, W), 0 to 255, in the channel order of the loader, and returns
    the same structure with normalised images (N, 3, H, W). In validation and testing it is the
    ordinary preprocessor.

    Args:
        source: Arguments that differ for source batches, such as ``dict(size=(720, 1280))``.
        target: Arguments that differ for target batches.
        labelled: Arguments that differ for labelled target images; without any, those of the target.
        **shared: Arguments of ``SegDataPreProcessor``.

    Attributes:
        is_rgb: Images are RGB, not BGR, as loaders give BGR.
        needed: The domains that a training reads; others are left out of what it returns.
    """

    def __init__(
        self,
        source: dict | None = None,
        target: dict | None = None,
        labelled: dict | None = None,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.is_rgb = bool(shared.get('bgr_to_rgb', False))
        self.needed: tuple[str, ...] = DOMAINS
        own = {'source': source or {}, 'target': target or {}, LABELLED: labelled or target or {}}
        self.domains = nn.ModuleDict(
            {name: SegDataPreProcessor(**_merged(shared, each)) for name, each in own.items()}
        )
        for domain in self.domains.values():
            if not domain._enable_normalize:  # then mmseg keeps none
                domain.register_buffer('mean', torch.zeros(1, 1, 1), False)
                domain.register_buffer('std', torch.ones(1, 1, 1), False)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Move to the device, reorder channels, normalise and pad; per domain in training.

        Raises:
            UserError: A training batch without its two domains, or no size to pad them to.
        """
        if not training:
            return super().forward(data, training=False)
        if not set(DOMAINS) <= set(data):
            raise UserError(
                f'the training batch holds {sorted(data)}, not {sorted(DOMAINS)}: set '
                "train_dataloader.dataset=dict(type='SourceTargetDataset', ...)"
            )
        if LABELLED in self.needed and LABELLED not in data:
            raise UserError(
                'an objective learns from labelled target images, but the training batch has none: set '
                "train_dataloader.dataset.labelled=dict(type='FewImages', ...), or the objective to None"
            )
        self.require_sizes()
        for name in self.needed:
            # mmengine's `to` tells the outer module alone.
            self.domains[name]._device = self._device
        return {name: self._prepared(data[name], name) for name in self.needed}

    def require_sizes(self) -> None:
        """See that a training knows how large its images are.

        Raises:
            UserError: A domain that it reads has no size.
        """
        for name in self.needed:
            domain = self.domains[name]
            if domain.size is None and domain.size_divisor is None:
                raise UserError(
                    f'data_preprocessor: training needs `size` (height, width) for the {name}, to '
                    'pad its images to; usually the crop size'
                )

    def _prepared(self, batch: dict, domain: str) -> dict:
        """One domain's batch; labels that need no padding and have not moved are not copied."""
        prepared = self.domains[domain](batch, training=True)
        for given, sample in zip(batch['data_samples'], prepared['data_samples'], strict=True):
            labels, padded = given.get('gt_sem_seg'), sample.get('gt_sem_seg')
            if labels is None or labels.data.device != padded.data.device:
                continue
            if labels.data.shape == padded.data.shape:
                sample.gt_sem_seg = labels
        return prepared

    def to_pixels(self, images: Tensor, domain: str) -> Tensor:
        """RGB pixels in [0, 255] of normalised images (N, 3, H, W) of a domain."""
        look = self.domains[domain]
        return denormalise(images, look.mean, look.std, from_bgr=not self.is_rgb)

    def to_images(self, pixels: Tensor, domain: str) -> Tensor:
        """The inverse of :meth:`to_pixels`; differentiable."""
        look = self.domains[domain]
        return normalise(pixels, look.mean, look.std, to_bgr=not self.is_rgb)


def require_domains(preprocessor: nn.Module) -> None:
    """Check that a model has the preprocessor of this package.

    Raises:
        UserError: It has another one, which knows one domain.
    """
    if not isinstance(preprocessor, DomainPreprocessor):
        raise UserError(
            f'model.data_preprocessor is a {type(preprocessor).__name__}, which knows one '
            "domain: give model a data_preprocessor=dict(type='DomainPreprocessor', ...)"
        )


def require_whole(data: dict) -> None:
    """Refuse preprocessed images that were padded: a generator would learn to draw the border.

    Raises:
        UserError: An image is smaller than ``size``; names its file.
    """
    for name in DOMAINS:
        for sample in data[name]['data_samples']:
            if any(sample.metainfo.get('padding_size', ())):
                height, width = sample.metainfo['img_shape'][-2:]
                wanted = ' x '.join(map(str, data[name]['inputs'].shape[-2:]))
                raise UserError(
                    f'{sample.metainfo.get("img_path", f"a {name} image")}: is {height} x {width} '
                    f'(height x width) after the {name} pipeline, smaller than the {wanted} of '
                    'model.data_preprocessor.size, and a generator would learn the padding: take '
                    "the image out, enlarge it with dict(type='Resize', ...) before the crop, or "
                    'make crop and size smaller'
                )


def _merged(shared: dict, own: dict) -> dict:
    """The domain's arguments over the shared ones; ``size`` and ``size_divisor`` exclude each other."""
    rival = dict(size='size_divisor', size_divisor='size')
    dropped = {rival[key] for key in own if key in rival}
    return {key: value for key, value in shared.items() if key not in dropped} | own
