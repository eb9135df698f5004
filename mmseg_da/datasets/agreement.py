"""Do the parts that a config puts together agree? Asked when they are built."""

from torch import nn
from torch.utils.data import DataLoader, Dataset

from mmseg_da.datasets.samplers import SourceTargetSampler
from mmseg_da.datasets.source_target import SourceTargetDataset
from mmseg_da.errors import UserError


def check_classes(model: nn.Module, dataset: Dataset) -> None:
    """Compare the number of classes of a model with that of a dataset, where both say one.

    Raises:
        UserError: They differ; names both numbers.
    """
    while not hasattr(model, 'num_classes') and isinstance(
        getattr(model, 'module', None), nn.Module
    ):
        model = model.module  # of a distributed wrapper or of test-time augmentation
    predicted = getattr(model, 'num_classes', None)
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
    if predicted is None or not classes or predicted == len(classes):
        return
    raise UserError(
        f'num_classes is {predicted} in the model, but {type(dataset).__name__} has {len(classes)} '
        f'classes: {", ".join(classes)}. Set num_classes={len(classes)} in every head of the '
        'segmentor, or metainfo=dict(classes=...) in every dataset.'
    )


def name_classes(model: nn.Module, dataset: Dataset) -> None:
    """Tell a model that asks for them the names of a dataset's classes.

    Raises:
        UserError: The model knows classes by other names.
    """
    model = getattr(model, 'module', model)
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
    if classes and hasattr(model, 'name_classes'):
        model.name_classes(tuple(classes))


def check_pairing(loader: DataLoader) -> None:
    """See that pairs are drawn by a sampler of pairs.

    Raises:
        UserError: A plain index would join each source image to one target image for ever.
    """
    sampler = getattr(loader.batch_sampler, 'sampler', loader.sampler)
    paired = isinstance(loader.dataset, SourceTargetDataset)
    if paired and not isinstance(sampler, SourceTargetSampler):
        raise UserError(
            f'train_dataloader: {type(sampler).__name__} would show each source image with the same '
            "target image for ever: set sampler=dict(type='SourceTargetSampler')"
        )
