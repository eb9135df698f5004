"""Taking one network's weights out of a checkpoint of any training."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.runner import CheckpointLoader
from torch import nn

from mmseg_da.errors import UserError


def classes_in(checkpoint: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The classes that a checkpoint says its weights are of, in order; ``None`` if it does not.

    Read where mmengine's runner notes the training data, and where mmseg 0.x did.
    """
    meta = checkpoint.get('meta')
    if not isinstance(meta, Mapping):
        return None
    noted = meta.get('dataset_meta')
    classes = noted.get('classes') if isinstance(noted, Mapping) else meta.get('CLASSES')
    return tuple(classes) if classes else None


def load_part(
    module: nn.Module, checkpoint: str, prefixes: Sequence[str], what: str
) -> dict[str, Any]:
    """Fill a module with the weights that a checkpoint has under one of these prefixes.

    Args:
        module: The module; every weight and buffer of it must be there, in its shape. Only the
            counters of BatchNorm, which predict nothing, may be missing.
        checkpoint: File or address of the checkpoint.
        prefixes: Where the weights may lie, the likeliest first; ``''`` is the top.
        what: What the user calls the module, for the message.

    Returns:
        All that the checkpoint holds.

    Raises:
        UserError: The file cannot be read, or has no such weights: it is of another stage or of
            another architecture; names the first that does not fit.
    """
    loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
    state = loaded.get('state_dict', loaded)
    ours = module.state_dict()
    for prefix in prefixes:
        theirs = {
            key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)
        }
        if theirs.keys() & ours.keys() or (prefix and theirs):
            break
    else:
        raise UserError(
            f'{checkpoint}: holds no {what}; looked for names that begin with '
            f'{" or ".join(prefix or "nothing" for prefix in prefixes)}. It begins with '
            f'{next(iter(state), "no weight at all")}: is it of another stage?'
        )
    theirs |= {key: value for key, value in ours.items() if _counts(key) and key not in theirs}
    missing = [key for key in ours if key not in theirs]
    if missing:
        raise UserError(
            f'{checkpoint}: its {what} is another network: it has no {missing[0]} '
            f'({len(missing)} of {len(ours)} weights are missing)'
        )
    for key, value in ours.items():
        if theirs[key].shape != value.shape:
            raise UserError(
                f'{checkpoint}: its {what} is another network: {key} has shape '
                f'{tuple(theirs[key].shape)}, not {tuple(value.shape)}'
            )
    module.load_state_dict({key: theirs[key] for key in ours})
    return loaded


def _counts(key: str) -> bool:
    return key.endswith('.num_batches_tracked')
