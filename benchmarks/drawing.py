"""What objectives with a teacher draw, handed to their plain iterations."""

from collections.abc import Callable

import torch
from torch import nn

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
    """

    def __init__(self, model: nn.Module, make: Callable[[Callable[[int], dict]], object]) -> None:
        self.literal = make(lambda number: draws_of(model, number, self.num, self.size))
        self.num, self.size = 0, (0, 0)

    def step(self, batch: dict) -> dict[str, float]:
        """Train on one collated batch."""
        images = batch['target']['inputs']
        self.num, self.size = len(images), tuple(images[0].shape[-2:])
        return self.literal.step(batch)
