"""Buffers that several processes have in common."""

from mmengine.dist import broadcast, get_world_size
from torch import nn


def share_buffers(model: nn.Module) -> None:
    """Give every process the buffers of the first, such as running statistics of BN.

    They are the ones that a checkpoint holds. Every process must call it.
    """
    if get_world_size() > 1:
        for buffer in model.buffers():
            broadcast(buffer)
