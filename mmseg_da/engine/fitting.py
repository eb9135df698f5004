"""Do the weights of a checkpoint belong to a network?"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from mmseg_da.models.adaptors.domain_adaptor import SEGMENTOR

_SHOWN = 3


class Misfits(NamedTuple):
    """Names of weights of which a checkpoint and a network disagree."""

    missing: list[str]
    """In the network alone."""
    unexpected: list[str]
    """In the checkpoint alone."""
    reshaped: list[str]
    """In both, with their two shapes."""

    def __str__(self) -> str:
        said = (
            ('missing', self.missing),
            ('unexpected', self.unexpected),
            ('of another shape', self.reshaped),
        )
        return '; '.join(f'{what}: {_first(names)}' for what, names in said if names)


def weights_of(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights in a checkpoint by name, without the prefix of a distributed wrapper."""
    state = checkpoint.get('state_dict', checkpoint)
    named = state.items() if isinstance(state, Mapping) else ()
    return {
        name.removeprefix('module.'): value
        for name, value in named
        if isinstance(name, str) and isinstance(value, Tensor)
    }


def segmentor_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of the segmentor, from those of an adaptor or of a plain segmentor."""
    prefix = f'{SEGMENTOR}.'
    if not any(name.startswith(prefix) for name in weights):
        return dict(weights)
    return {
        name.removeprefix(prefix): value
        for name, value in weights.items()
        if name.startswith(prefix)
    }


def compare(model: nn.Module, weights: Mapping[str, Tensor]) -> Misfits:
    """Compare names and shapes of weights with those of a network."""
    ours = model.state_dict()
    shared = [name for name in ours if name in weights]
    return Misfits(
        missing=[name for name in ours if name not in weights],
        unexpected=[name for name in weights if name not in ours],
        reshaped=[
            f'{name} {_size(weights[name])} instead of {_size(ours[name])}'
            for name in shared
            if weights[name].shape != ours[name].shape
        ],
    )


def _size(tensor: Tensor) -> str:
    return 'x'.join(map(str, tensor.shape)) or 'scalar'


def _first(names: Sequence[str]) -> str:
    more = f' and {len(names) - _SHOWN} more' if len(names) > _SHOWN else ''
    return ', '.join(names[:_SHOWN]) + more
