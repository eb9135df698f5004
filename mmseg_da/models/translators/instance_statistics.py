"""Instance normalisation of an image that a network sees in parts."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn


class InstanceStatistics:
    """One mean and variance per image and channel for all parts of it.

    An ``nn.InstanceNorm2d`` that sees a part of an image normalises it by the part's own statistics,
    so that the same wall gets another tone beside the sky than beside the road. With this, the parts
    are first shown to the network to measure, then again to be normalised alike. What a layer
    measures is averaged over the parts; layers before it normalise as usual meanwhile.

    Args:
        network: Its ``nn.InstanceNorm2d`` without running statistics are looked after.
    """

    def __init__(self, network: nn.Module) -> None:
        self.layers = [
            layer
            for layer in network.modules()
            if isinstance(layer, nn.InstanceNorm2d) and not layer.track_running_stats
        ]
        self._sums: dict[nn.Module, list[Tensor]] = {}

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Gather what each layer sees inside the context, which forgets what was gathered before."""
        self._sums = {}
        with ExitStack() as hooks:
            for layer in self.layers:
                hooks.callback(layer.register_forward_pre_hook(self._measure).remove)
            yield

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Normalise by what was gathered inside the context."""
        with ExitStack() as hooks:
            for layer in self.layers:
                hooks.callback(layer.register_forward_hook(self._normalise).remove)
            yield

    def _measure(self, layer: nn.Module, inputs: tuple[Tensor]) -> None:
        values = inputs[0].float()
        mean, square = (each.mean(dim=(-2, -1)) for each in (values, values.square()))
        seen = [mean, square, torch.ones((), device=values.device)]
        before = self._sums.get(layer)
        self._sums[layer] = [a + b for a, b in zip(before, seen, strict=True)] if before else seen

    def _normalise(self, layer: nn.InstanceNorm2d, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        mean, square, count = self._sums[layer]
        mean, square = mean / count, square / count
        scale = (square - mean.square()).clamp(min=0).add(layer.eps).rsqrt()
        result = (inputs[0].float() - mean[..., None, None]) * scale[..., None, None]
        if layer.affine:
            result = result * layer.weight[:, None, None] + layer.bias[:, None, None]
        return result.to(output.dtype)
