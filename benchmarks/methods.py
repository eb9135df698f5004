"""What ``step_time.py`` compares: each method as the product trains it and in plain torch.

A further method is one entry of :data:`METHODS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from literal import (
    LiteralAdaptSegNet,
    LiteralAdda,
    LiteralCycleGAN,
    LiteralFDA,
    LiteralJoint,
    LiteralMinEnt,
    LiteralSegmentor,
    LiteralSourceOnly,
    LiteralTranslated,
)
from torch import nn

from mmseg_da.models import TargetEntropy
from mmseg_da.structures import heads_of
from mmseg_da.testing import toy_adaptor, toy_alignment, toy_optim_wrapper, toy_preprocessor

LR = 1e-4  # small: random weights must not diverge, because infinities take other times
SUPERVISION = dict(type='SourceSupervision')
# CycleGAN's networks at a quarter of their width, like the segmentors of ResNets.
GENERATOR = dict(type='ResnetGenerator', blocks=9, channels=16)
JUDGE = dict(type='PatchDiscriminator', channels=16)
SCALE = 0.8  # of what a frozen generator sees, as in configs/_base_/methods/cycada.py
BETA = 0.05  # of FDA, the middle one of the paper's three
ROBUST_ENTROPY = dict(type='TargetEntropy', penalty='charbonnier', resize=None, loss_weight=0.005)
ALIGNMENT = dict(  # the dropout of the paper's rival would differ on the two sides
    type='FeatureAlignment',
    discriminator=dict(type='PointwiseDiscriminator', channels=(512, 256), dropout=0.0),
)


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


@dataclass(frozen=True)
class Method:
    """One row of the benchmark per network.

    Attributes:
        model: Makes the config of the product's model from that of a segmentor.
        literal: Makes the plain iteration from a copy of the built model.
        optimizers: Makes the product's ``optim_wrapper``.
        heads: The heads that the segmentor needs; none, there is no segmentor.
        divisor: Of the sides of images.
        paper: The paper's image sizes.
    """

    model: Callable[[dict | None], dict]
    literal: Callable[[nn.Module], Literal]
    optimizers: Callable[[], dict]
    heads: tuple[str, ...] = ('decode',)
    divisor: int = 1
    paper: PaperSizes = IMAGES


def _adaptor(objectives: dict, **others: Any) -> Callable[[dict], dict]:
    return lambda segmentor: toy_adaptor(segmentor, objectives, **others)


def _cycle(semantic: bool) -> Callable[[dict | None], dict]:
    """Config of a ``CycleTranslator``, with the segmentor frozen for the semantic term."""

    def model(segmentor: dict | None) -> dict:
        unit_range = toy_preprocessor() | dict(mean=[127.5] * 3, std=[127.5] * 3)
        given = dict(segmentor=segmentor, data_preprocessor=toy_preprocessor())
        return dict(
            type='CycleTranslator',
            generator=GENERATOR,
            discriminator=JUDGE,
            data_preprocessor=unit_range,
            semantics=given if semantic else None,
        )

    return model


def _sgd(rivals: bool) -> Callable[[], dict]:
    """SGD for the segmentor, Adam for its rivals."""

    def optimizers() -> dict:
        cfg = toy_optim_wrapper(rivals)
        cfg['segmentor']['optimizer'] |= dict(lr=LR)
        return cfg

    return optimizers


def _adams(part: str, **paramwise: float) -> Callable[[], dict]:
    """CycleGAN's Adam for a part and for the discriminators."""
    adam = dict(optimizer=dict(type='Adam', lr=2e-4, betas=(0.5, 0.999)))
    keys = {name: dict(lr_mult=factor) for name, factor in paramwise.items()}
    trained = adam | (dict(paramwise_cfg=dict(custom_keys=keys)) if keys else {})
    parts = {part: trained, 'discriminators': adam}
    return lambda: dict(constructor='PartwiseOptimWrapperConstructor', type='OptimWrapper') | parts


def _settings(model: nn.Module) -> dict[str, Any]:
    """What a plain iteration of a segmentor needs to know."""
    aux = heads_of(model.segmentor).get('aux')
    return dict(
        aux_weight=0.0 if aux is None else aux.loss_decode.loss_weight,
        align_corners=model.segmentor.decode_head.align_corners,
    )


def _literal_adaptsegnet(model: nn.Module) -> LiteralAdaptSegNet:
    levels = {each.head: each for each in model.objectives.values() if each.discriminator}
    return LiteralAdaptSegNet(
        model.segmentor,
        {name: each.discriminator for name, each in levels.items()},
        {name: each.loss_weight for name, each in levels.items()},
        of=next(iter(levels.values())).of,
        lr=LR,
        **_settings(model),
    )


def _literal_minent(model: nn.Module) -> LiteralMinEnt:
    levels = [each for each in model.objectives.values() if isinstance(each, TargetEntropy)]
    return LiteralMinEnt(
        model.segmentor,
        {each.head: each.loss_weight for each in levels},
        lr=LR,
        **_settings(model),
    )


def _literal_adda(model: nn.Module) -> LiteralAdda:
    align = model.objectives['align']
    return LiteralAdda(
        model.segmentor,
        align.discriminator,
        weight=align.loss_weight,
        gate=align.gate,
        window=len(align.accuracies),
        lr=LR,
        **_settings(model),
    )


def _image_networks(translator: nn.Module) -> tuple[nn.Module, ...]:
    """As :class:`LiteralCycleGAN` takes them."""
    generators, judges = translator.generators, translator.discriminators
    return (*(generators[key] for key in ('source_to_target', 'target_to_source')),
            *(judges[key] for key in ('target', 'source')))  # fmt: skip


def _literal_cycle(model: nn.Module) -> LiteralCycleGAN:
    see = None
    if model.semantics is not None:
        segmentor = model.semantics.segmentor
        corners = segmentor.decode_head.align_corners
        see = LiteralSegmentor(segmentor, align_corners=corners).see
    return LiteralCycleGAN(*_image_networks(model), see=see)


def _literal_joint(model: nn.Module) -> LiteralJoint:
    align = model.objectives['align']
    return LiteralJoint(
        LiteralSegmentor(model.segmentor, **_settings(model)),
        align.discriminator,
        *_image_networks(model.cycle),
        weight=align.loss_weight,
    )


METHODS = dict(
    source_only=Method(
        model=_adaptor(dict(seg=SUPERVISION)),
        literal=lambda model: LiteralSourceOnly(model.segmentor, lr=LR, **_settings(model)),
        optimizers=_sgd(rivals=False),
    ),
    adaptsegnet_single=Method(
        model=_adaptor(dict(seg=SUPERVISION, adv_decode=toy_alignment())),
        literal=_literal_adaptsegnet,
        optimizers=_sgd(rivals=True),
    ),
    adaptsegnet_multi=Method(
        model=_adaptor(
            dict(seg=SUPERVISION, adv_aux=toy_alignment(head='aux'), adv_decode=toy_alignment())
        ),
        literal=_literal_adaptsegnet,
        optimizers=_sgd(rivals=True),
        heads=('decode', 'aux'),
    ),
    advent=Method(
        model=_adaptor(
            dict(
                seg=SUPERVISION,
                adv_aux=toy_alignment(head='aux', of='entropy'),
                adv_decode=toy_alignment(of='entropy'),
            )
        ),
        literal=_literal_adaptsegnet,
        optimizers=_sgd(rivals=True),
        heads=('decode', 'aux'),
    ),
    minent=Method(
        model=_adaptor(
            dict(
                seg=SUPERVISION,
                ent_aux=dict(type='TargetEntropy', head='aux', loss_weight=0.05),
                ent_decode=dict(type='TargetEntropy', loss_weight=0.1),
            )
        ),
        literal=_literal_minent,
        optimizers=_sgd(rivals=False),
        heads=('decode', 'aux'),
    ),
    fda=Method(
        model=_adaptor(
            dict(seg=SUPERVISION, ent=ROBUST_ENTROPY),
            translator=dict(type='FourierTranslator', beta=BETA),
        ),
        literal=lambda model: LiteralFDA(
            model.segmentor,
            beta=BETA,
            weight=model.objectives['ent'].loss_weight,
            lr=LR,
            **_settings(model),
        ),
        optimizers=_sgd(rivals=False),
        paper=EQUAL,
    ),
    cycada_translate=Method(
        model=_cycle(semantic=False),
        literal=_literal_cycle,
        optimizers=_adams('generators'),
        heads=(),
        divisor=4,
        paper=CROPS,
    ),
    cycada_translate_semantic=Method(
        model=_cycle(semantic=True),
        literal=_literal_cycle,
        optimizers=_adams('generators'),
        divisor=4,
        paper=CROPS,
    ),
    cycada_segment=Method(
        model=_adaptor(
            dict(seg=SUPERVISION),
            translator=dict(type='FrozenTranslator', generator=GENERATOR, scale=SCALE),
        ),
        literal=lambda model: LiteralTranslated(
            model.segmentor, model.translator.generator, SCALE, lr=LR, **_settings(model)
        ),
        optimizers=_sgd(rivals=False),
    ),
    cycada_align=Method(  # a gate that is open from the first iteration on
        model=_adaptor(
            dict(align=ALIGNMENT | dict(gate=0.0), seg=SUPERVISION), type='AlternatingAdaptor'
        ),
        literal=_literal_adda,
        optimizers=_sgd(rivals=True),
    ),
    cycada_joint=Method(
        model=_adaptor(
            dict(seg=SUPERVISION, align=ALIGNMENT | dict(gate=None)),
            type='JointAdaptor',
            translator=dict(generator=GENERATOR, discriminator=JUDGE),
        ),
        literal=_literal_joint,
        optimizers=_adams('networks', segmentor=1 / 8),
        divisor=4,
        paper=CROPS,
    ),
)
