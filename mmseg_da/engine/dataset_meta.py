"""Classes and palette of a checkpoint, in types that every loader takes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mmengine.config import Config
from torch import Tensor

from mmseg_da.engine import launch
from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS


def dataset_meta(given: Mapping[str, Any] | None, cfg: Config) -> dict[str, Any]:
    """Classes and palette in plain types: those given, else those of the config's test data.

    Raises:
        UserError: There are none.
    """
    if not given:
        dataset = (cfg.get('test_dataloader') or cfg.get('val_dataloader') or {}).get('dataset')
        if not dataset:
            raise UserError(
                f'{cfg.filename}: neither the checkpoint nor a test_dataloader says the classes'
            )
        with launch.config_errors(cfg):
            given = DATASETS.build(dataset | dict(lazy_init=True)).metainfo
    return plain(given)


def plain(value: Any) -> Any:
    """The same in Python's own types."""
    if isinstance(value, np.ndarray | np.generic | Tensor):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(item) for item in value)
    return value
