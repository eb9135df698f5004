"""Reading checkpoints and comparing what they hold."""

from pathlib import Path

import torch
from mmengine.runner import CheckpointLoader


def load(path: Path) -> dict:
    """A checkpoint on the CPU."""
    return CheckpointLoader.load_checkpoint(str(path), map_location='cpu')


def values(nested: object, prefix: str = '') -> dict[str, object]:
    """Every tensor and plain value in nested dicts and lists, by its path."""
    if isinstance(nested, dict):
        nested = list(nested.items())
    elif isinstance(nested, list | tuple):
        nested = list(enumerate(nested))
    else:
        return {prefix: nested}
    return {k: v for key, each in nested for k, v in values(each, f'{prefix}/{key}').items()}


def differing(one: object, other: object) -> list[str]:
    """The paths at which two nested values differ; both must have the same paths."""
    one, other = values(one), values(other)
    assert one.keys() == other.keys()

    def same(a: object, b: object) -> bool:
        return torch.equal(a, b) if torch.is_tensor(a) else a == b

    return [path for path in one if not same(one[path], other[path])]
