"""Random numbers by a counter: the same on every device, and known to the host where it must."""

from typing import TypeVar

import torch
from torch import Tensor

_LOW = 0xFFFFFFFF
_Whole = TypeVar('_Whole', int, Tensor)


def mixed(value: _Whole) -> _Whole:
    """A hash of 32 bits, of whole numbers (int or int64) of which the low 32 bits count."""
    value = value & _LOW
    value = ((value ^ (value >> 16)) * 0x7FEB352D) & _LOW
    value = ((value ^ (value >> 15)) * 0x5BD1E995) & _LOW  # both below 2 ** 31: int64 holds it
    return value ^ (value >> 16)


def uniform(*key: int) -> float:
    """A number in [0, 1) that belongs to a key of whole numbers, on the host."""
    return (_stream(key) >> 8) / (1 << 24)


def uniforms(*key: int, count: int, like: Tensor) -> Tensor:
    """Numbers in [0, 1), of which number i is ``uniform(*key, i)``.

    Args:
        *key: Whole numbers.
        count: How many.
        like: A tensor on the device to make them on.

    Returns:
        (count,) float32. No value is copied from the host.
    """
    numbers = torch.arange(count, device=like.device)
    return (mixed(_stream(key) ^ mixed(numbers + 0x9E3779B9)) >> 8).float() / (1 << 24)


def _stream(key: tuple[int, ...]) -> int:
    value = 0
    for part in key:
        value = mixed(value ^ mixed(part + 0x9E3779B9))
    return value
