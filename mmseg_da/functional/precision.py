"""Where half precision breaks."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(values: Tensor) -> Tensor:
    """The same values in float32, or untouched where they are as precise already.

    Probabilities and logarithms break in half precision: ``1e-30`` is 0 in float16.
    """
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def no_autocast(like: Tensor) -> AbstractContextManager:
    """While this lasts, operations are as precise as what they are given, whatever autocast says.

    Args:
        like: On the device of these; the meta device has no autocast.
    """
    return nullcontext() if like.is_meta else torch.autocast(like.device.type, enabled=False)
