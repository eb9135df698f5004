"""Which image, and which random augmentation, each step of a training without target sees."""

from torch.utils.data import Dataset

from mmseg_da.datasets.samplers.source_target import SourceTargetSampler
from mmseg_da.errors import UserError
from mmseg_da.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class LabelledSampler(SourceTargetSampler):
    """The stream of :class:`SourceTargetSampler` for one labelled data set; a draw's target is 0.

    In place of mmengine's ``InfiniteSampler`` it makes a resume exact whatever the number of workers,
    without reading again what the training has seen.

    Args:
        dataset: A ``LabelledDataset``.
        seed: Of the stream; drawn at random, the same on all ranks, if ``None``.
        shuffle: Whether to visit in random order.

    Raises:
        UserError: The dataset is of another kind.
    """

    def __init__(self, dataset: Dataset, seed: int | None = None, shuffle: bool = True) -> None:
        if not getattr(dataset, 'takes_draws', False):
            raise UserError(
                'train_dataloader: LabelledSampler draws from a LabelledDataset, not from '
                f"{type(dataset).__name__}: set dataset=dict(type='LabelledDataset', dataset=...)"
            )
        super().__init__(_Alone(dataset), seed, shuffle)


class _Alone:
    """A data set as the source, with a target of one image that is never read."""

    target = (None,)

    def __init__(self, source: Dataset) -> None:
        self.source = source
