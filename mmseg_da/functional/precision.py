"""Where half precision breaks."""

import torch
from torch import Tensor


def full_precision(values: Tensor) -> Tensor:
    """The same values in float32, or untouched where they are as precise already.

    Probabilities and logarithms break in half precision: ``1e-30`` is 0 in float16.
    """
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
