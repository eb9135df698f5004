"""What the entries of ``methods.py`` are made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from torch import nn

from mmseg_da.structures import heads_of
from mmseg_da.testing import toy_adaptor, toy_optim_wrapper

LR = 1e-4  # small: random weights must not diverge, because infinities take other times
SUPERVISION = dict(type='SourceSupervision')
CLASSES = ('road', 'car', 'sky', 'person')  # of the random labels


class Literal(Protocol):
    """A training iteration in plain torch."""

    def step(self, batch: dict) -> dict[str, float]:
        """Train on one collated batch."""


class PaperSizes(NamedTuple):
    """Height and width of source and target, and the parts of these at which memory is measured."""

    sizes: tuple[tuple[int, int], tuple[int, int]]
    parts: tuple[int, int]


IMAGES = PaperSizes(((720, 1280), (512, 1024)), parts=(8, 4))  # AdaptSegNet
CROPS = PaperSizes(((400, 400), (400, 400)), parts=(10, 5))  # CyCADA, for translation
EQUAL = PaperSizes(((512, 1024), (512, 1024)), parts=(8, 4))  # FDA
CROPS1024 = PaperSizes(((1024, 1024), (1024, 1024)), parts=(16, 8))  # HRDA
CROPS512 = PaperSizes(((512, 512), (512, 512)), parts=(8, 4))  # DACS


@dataclass(frozen=True)
class Method:
    """One row of the benchmark per network.

    Attributes:
        model: Makes the config of the product's model from that of a segmentor.
        literal: Makes the plain iteration from a copy of the built model.
        optimizers: Makes the product's ``optim_wrapper``.
        heads: The heads that the segmentor needs; none, there is no segmentor, or one of its own.
        unfit: Networks that it does not take.
        divisor: Of the sides of images.
        paper: The paper's image sizes.
    """

    model: Callable[[dict | None], dict]
    literal: Callable[[nn.Module], Literal]
    optimizers: Callable[[], dict]
    heads: tuple[str, ...] = ('decode',)
    unfit: tuple[str, ...] = ()
    divisor: int = 1
    paper: PaperSizes = IMAGES


def adaptor(objectives: dict, **others: Any) -> Callable[[dict], dict]:
    return lambda segmentor: toy_adaptor(segmentor, objectives, **others)


def sgd(rivals: bool, **faster: float) -> Callable[[], dict]:
    """SGD for the segmentor, Adam for its rivals; ``faster`` are multiples of the rate by name."""

    def optimizers() -> dict:
        cfg = toy_optim_wrapper(rivals)
        keys = {name: dict(lr_mult=factor) for name, factor in faster.items()}
        cfg['segmentor']['paramwise_cfg']['custom_keys'] |= keys
        cfg['segmentor']['optimizer'] |= dict(lr=LR)
        return cfg

    return optimizers


def settings(model: nn.Module) -> dict[str, Any]:
    """What a plain iteration of a segmentor needs to know."""
    aux = heads_of(model.segmentor).get('aux')
    return dict(
        aux_weight=0.0 if aux is None else aux.loss_decode.loss_weight,
        align_corners=model.segmentor.decode_head.align_corners,
    )
