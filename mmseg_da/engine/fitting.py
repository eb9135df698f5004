"""Do the weights of a checkpoint belong to a network?"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from mmseg_da.errors import UserError
from mmseg_da.models.adaptors.domain_adaptor import SEGMENTOR, TEACHER

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


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside of distributed wrappers and of test-time augmentation."""
    while isinstance(getattr(model, 'module', None), nn.Module):
        model = model.module
    return model


def segmentor_of(model: nn.Module) -> nn.Module:
    """The segmentor of an adaptor, or a plain one itself, also inside of wrappers."""
    model = unwrapped(model)
    return getattr(model, SEGMENTOR, model)


def renaming(model: nn.Module) -> list[tuple[str, str]]:
    """How mmengine is to rename the weights of a checkpoint, as pairs of pattern and replacement.

    A plain segmentor takes those of an adaptor by it; the other way is the adaptor's own.
    """
    plain = unwrapped(model) is segmentor_of(model)
    return [(r'^module\.', ''), *([(rf'^{SEGMENTOR}\.', '')] if plain else [])]


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


def teacher_weights(weights: Mapping[str, Tensor], filename: str) -> dict[str, Tensor]:
    """The weights of the teacher, as those of a segmentor, from those of an adaptor.

    Raises:
        UserError: There is none; names the file.
    """
    prefix = f'{TEACHER}.net.'
    found = {
        name.removeprefix(prefix): value
        for name, value in weights.items()
        if name.startswith(prefix)
    }
    if not found:
        raise UserError(
            f'{filename}: holds no teacher: leave --teacher and model.teacher.predicts out for the '
            'segmentor itself, or give a checkpoint of a training with model.teacher'
        )
    return found


def compare(model: nn.Module, weights: Mapping[str, Tensor]) -> Misfits:
    """Compare names and shapes of weights with those of a network.

    What has no elements yet, such as a pool of images before its first, takes any shape.
    """
    ours = model.state_dict()
    shared = [name for name in ours if name in weights]
    return Misfits(
        missing=[name for name in ours if name not in weights],
        unexpected=[name for name in weights if name not in ours],
        reshaped=[
            f'{name} {_size(weights[name])} instead of {_size(ours[name])}'
            for name in shared
            if ours[name].numel() and weights[name].shape != ours[name].shape
        ],
    )


def check_predicts(model: nn.Module, checkpoint: Mapping[str, Any], filename: str) -> None:
    """See that a checkpoint has what a model predicts with.

    Discriminators, the auxiliary head and counters play no part in that.

    Args:
        model: An adaptor or a segmentor, also inside of wrappers.
        checkpoint: What the file holds.
        filename: The file, for the message.

    Raises:
        UserError: Weights are missing or of another shape.
    """
    network = segmentor_of(model)
    missing, _, reshaped = compare(network, segmentor_weights(weights_of(checkpoint)))
    misfits = Misfits(
        [name for name in missing if not name.endswith('num_batches_tracked') and _predicts(name)],
        [],
        [name for name in reshaped if _predicts(name)],
    )
    if any(misfits):
        raise UserError(
            f'{filename}: does not fit the segmentor of this config ({misfits}). Give the checkpoint '
            'and the config of one training.'
        )


def check_start(model: nn.Module, checkpoint: Mapping[str, Any], filename: str) -> None:
    """See that a checkpoint to start from has at least one weight of a model.

    Raises:
        UserError: It has none, so the training would start from nothing.
    """
    weights = weights_of(checkpoint)
    inner = segmentor_weights(weights)
    if _shares(unwrapped(model), weights) or _shares(segmentor_of(model), inner):
        return
    first = f', but {_first(list(weights))}' if weights else ''
    raise UserError(
        f'{filename}: holds none of the weights of this model{first}. Give load_from a checkpoint '
        'of this network, or None.'
    )


def differences(model: nn.Module, checkpoint: Mapping[str, Any]) -> Misfits:
    """What differs between the weights of a model and those of a checkpoint of its training."""
    return compare(unwrapped(model), weights_of(checkpoint))


def _shares(model: nn.Module, weights: Mapping[str, Tensor]) -> bool:
    ours = model.state_dict()
    return any(name in ours and ours[name].shape == value.shape for name, value in weights.items())


def _predicts(name: str) -> bool:
    return not name.startswith(('auxiliary_head', 'draws.'))


def _size(tensor: Tensor) -> str:
    return 'x'.join(map(str, tensor.shape)) or 'scalar'


def _first(names: Sequence[str]) -> str:
    more = f' and {len(names) - _SHOWN} more' if len(names) > _SHOWN else ''
    return ', '.join(names[:_SHOWN]) + more
