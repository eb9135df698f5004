"""What objectives with a teacher draw, handed to their plain iterations."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmseg_da.functional import blocks, draw_box, uniform, uniforms


def draws_of(model: nn.Module, iteration: int, num: int, size: tuple[int, int]) -> dict:
    """The draws of one iteration, as :mod:`literal.dacs` takes them.

    Args:
        model: An adaptor whose objectives draw; its own count does not move.
        iteration: Its number.
        num: Images of each domain.
        size: Height and width of these.
    """
    found = {}
    for name, objective in model.objectives.items():
        if not hasattr(objective, 'draws'):
            continue
        key = int(objective.draws.seed), iteration
        found[name] = _augmentation(objective, key, num)
        like = torch.zeros(num, 1)
        if hasattr(objective, 'keys'):
            found['keys'] = objective.keys(like, key)
        if hasattr(objective, 'block'):
            rows, columns = blocks(objective.block, *size)
            drawn = [
                uniforms(*key, objective.salt, 4, n, count=rows * columns, like=like)
                for n in range(num)
            ]
            found['blocks'] = torch.stack(drawn).view(num, rows, columns)
    return found


def draws_by_image(model: nn.Module, iteration: int, num: int, size: tuple[int, int]) -> dict:
    """The draws of one iteration of VFM-UDA, as :mod:`literal.vfm` takes them.

    Args:
        model: An adaptor of the terms ``seg``, ``mix`` and ``mask``; its own count does not move.
        iteration: Its number.
        num: Images of each domain.
        size: Height and width of these.
    """
    seg, mix, mask = (model.objectives[name] for name in ('seg', 'mix', 'mask'))
    tokens = math.prod(model.segmentor.backbone.grid(*size))
    key, like = (int(mask.draws.seed), iteration), torch.zeros(num, 1)
    masked = [uniforms(*key, mask.salt, 4, n, count=tokens, like=like) for n in range(num)]
    return dict(
        source=_jitters(seg, iteration, num),
        target=_jitters(mix, iteration, num, 0.9, (5, 6), mix.target_jitter),
        keys=mix.keys(like, (int(mix.draws.seed), iteration)),
        mix=(_jitters(mix, iteration, num), _sigmas(mix, iteration, num)),
        mask=(_jitters(mask, iteration, num), _sigmas(mask, iteration, num)),
        tokens=torch.stack(masked),
    )


def _jitters(
    objective: nn.Module,
    iteration: int,
    num: int,
    prob: float | None = None,
    codes: tuple[int, int] = (0, 2),
    strengths: Sequence[float] | None = None,
) -> list:
    """The jitter of each image, or ``None``, where each draws whether it has one."""
    key = int(objective.draws.seed), iteration
    prob = objective.jitter_prob if prob is None else prob
    return [
        objective.jitter_of(key, n, strengths, codes[1])
        if uniform(*key, objective.salt, codes[0], n) < prob
        else None
        for n in range(num)
    ]


def _sigmas(objective: nn.Module, iteration: int, num: int) -> list:
    """The blur of each image, or ``None``."""
    key = int(objective.draws.seed), iteration
    chosen = [uniform(*key, objective.salt, 1, n) < objective.blur_prob for n in range(num)]
    return [objective.sigma_of(key, n) if yes else None for n, yes in enumerate(chosen)]


def with_masked_forward(backbone: nn.Module) -> nn.Module:
    """The backbone, with a method that takes images and masked tokens, as the plain iteration asks."""

    def masked_forward(images: Tensor, masked: Tensor) -> Any:
        with backbone.masking(masked):
            return backbone(images)

    object.__setattr__(backbone, 'masked_forward', masked_forward)
    return backbone


def corners_of(segmentor: nn.Module) -> Callable[[int, tuple[int, int]], tuple[int, int]]:
    """Where the detail of a segmentor of two scales lies, from the forward that it is at.

    Its ``detail_crop`` is half of the image's sides.
    """
    seed, first = int(segmentor.draws.seed), int(segmentor.draws.steps)

    def corners(number: int, size: tuple[int, int]) -> tuple[int, int]:
        at = [uniform(seed, first + number, 5, axis) for axis in range(2)]
        crop = [side // 2 for side in size]
        top, _, left, _ = draw_box(size, crop, segmentor.multiple, at)
        return top, left

    return corners


def _augmentation(objective: nn.Module, key: tuple[int, int], num: int) -> tuple:
    """The jitter and the blur of each image, or ``None``."""
    if not getattr(objective, 'augment', True):
        return None, None
    jitters = uniform(*key, objective.salt, 0) < objective.jitter_prob
    blurs = uniform(*key, objective.salt, 1) < objective.blur_prob
    return (
        [objective.jitter_of(key, n) for n in range(num)] if jitters else None,
        [objective.sigma_of(key, n) for n in range(num)] if blurs else None,
    )


class Drawn:
    """A plain iteration that draws what the product does, for batches of any number and size.

    Args:
        model: The adaptor whose numbers it takes.
        make: Makes the plain iteration from its ``draws``.
        draws: :func:`draws_of`, or another of its kind.
    """

    def __init__(
        self,
        model: nn.Module,
        make: Callable[[Callable[[int], dict]], object],
        draws: Callable[[nn.Module, int, int, tuple[int, int]], dict] = draws_of,
    ) -> None:
        self.literal = make(lambda number: draws(model, number, self.num, self.size))
        self.num, self.size = 0, (0, 0)

    def step(self, batch: dict) -> dict[str, float]:
        """Train on one collated batch."""
        images = batch['target']['inputs']
        self.num, self.size = len(images), tuple(images[0].shape[-2:])
        return self.literal.step(batch)
