"""One domain of the training data, alone."""

from collections.abc import Mapping
from typing import Any

from mmengine.dataset import BaseDataset
from torch.utils.data import Dataset

from mmseg_da.datasets.few_images import few_images
from mmseg_da.datasets.presence import check_data
from mmseg_da.datasets.reading import name_files
from mmseg_da.datasets.source_target import SourceTargetDataset, seeded
from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS

DOMAINS = ('source', 'target', 'labelled')


class OneDomain(Dataset):
    """The samples of one domain as a training sees them, each with the same crop at every call.

    Source labels are those of training, in the target's classes. Nothing is read of the other
    domains but their classes, and no target labels but those of the domain ``labelled``.

    Args:
        cfg: Config of the training dataset: of a :class:`SourceTargetDataset`, or of any dataset,
            which is then the source.
        domain: ``source``, ``target`` or ``labelled``.

    Raises:
        UserError: The files of the domain are missing, or the config has no such domain.
    """

    def __init__(self, cfg: Mapping[str, Any], domain: str) -> None:
        if domain not in DOMAINS:
            raise UserError(f'{domain!r} is no domain; take one of {", ".join(DOMAINS)}')
        self.domain = domain
        if 'source' not in cfg or 'target' not in cfg:
            if domain != 'source':
                raise UserError(f'train_dataloader.dataset has no {domain}: it is one domain alone')
            check_data(dict(train_dataloader=dict(dataset=cfg)))
            self.samples = self.dataset = DATASETS.build(cfg)
            name_files(self.dataset)
            return
        if cfg.get(domain) is None:
            raise UserError('train_dataloader.dataset has no labelled target images')
        check_data(dict(train_dataloader=dict(dataset={domain: cfg[domain]})))
        others = {name: _unread(cfg[name]) for name in ('source', 'target') if name != domain}
        if 'target' in others:  # nor do its pseudo labels have to be there
            others['target'] = _without_pipeline(others['target'])
        if domain != 'labelled' and 'labelled' in cfg:
            others['labelled'] = None  # its classes are the target's
        self.dataset = DATASETS.build(cfg | others)
        self.samples = getattr(self.dataset, domain)

    @property
    def metainfo(self) -> dict:
        """Classes and palette of the labels."""
        return self.dataset.metainfo

    def __len__(self) -> int:
        """Number of images of the domain."""
        return len(self.samples)

    def __getitem__(self, index: int) -> dict:
        """One sample after its pipeline: ``inputs``, uint8 (3, H, W), and ``data_samples``."""
        with seeded(index):
            if isinstance(self.dataset, SourceTargetDataset):
                return getattr(self.dataset, f'{self.domain}_sample')(index)
            sample = self.samples[index]
        if 'inputs' not in sample:
            raise UserError("the pipeline does not end in dict(type='PackSegInputs')")
        return sample

    def image_path(self, index: int) -> str:
        """The file of an image, without reading it."""
        return str(self.samples.get_data_info(index).get('img_path', f'sample {index}'))


def _without_pipeline(cfg: Any) -> Any:
    if isinstance(cfg, list | tuple):
        return [_without_pipeline(each) for each in cfg]
    if isinstance(cfg.get('dataset'), Mapping):
        return cfg | dict(dataset=_without_pipeline(cfg['dataset']))
    return cfg | dict(pipeline=[]) if 'pipeline' in cfg else cfg


def _unread(cfg: Any) -> Any:
    """A config of the same dataset that looks for no file, if it is one that can wait."""
    if isinstance(cfg, list | tuple):
        return [_unread(each) for each in cfg]
    if not isinstance(cfg, Mapping):
        return cfg
    kind = cfg.get('type')
    kind = DATASETS.get(kind) if isinstance(kind, str) else kind
    if isinstance(cfg.get('dataset'), Mapping):
        inner = _unread(cfg['dataset'])
        # A choice would read the names of all images; the classes are the same without.
        return inner if kind is few_images else cfg | dict(dataset=inner)
    waits = isinstance(kind, type) and issubclass(kind, BaseDataset)
    return cfg | dict(lazy_init=True) if waits else cfg
