"""What ``step_time.py`` compares: each method as the product trains it and in plain torch.

A further method is one entry of :data:`METHODS`; those with a teacher are in ``methods_taught.py``.
"""

from collections.abc import Callable

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
from method_parts import CROPS, EQUAL, LR, SUPERVISION, Method, adaptor, settings, sgd
from methods_taught import TAUGHT
from torch import nn

from mmseg_da.models import TargetEntropy
from mmseg_da.testing import toy_alignment, toy_preprocessor

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


def _adams(part: str, **paramwise: float) -> Callable[[], dict]:
    """CycleGAN's Adam for a part and for the discriminators."""
    adam = dict(optimizer=dict(type='Adam', lr=2e-4, betas=(0.5, 0.999)))
    keys = {name: dict(lr_mult=factor) for name, factor in paramwise.items()}
    trained = adam | (dict(paramwise_cfg=dict(custom_keys=keys)) if keys else {})
    parts = {part: trained, 'discriminators': adam}
    return lambda: dict(constructor='PartwiseOptimWrapperConstructor', type='OptimWrapper') | parts


def _literal_adaptsegnet(model: nn.Module) -> LiteralAdaptSegNet:
    levels = {each.head: each for each in model.objectives.values() if each.discriminator}
    return LiteralAdaptSegNet(
        model.segmentor,
        {name: each.discriminator for name, each in levels.items()},
        {name: each.loss_weight for name, each in levels.items()},
        of=next(iter(levels.values())).of,
        lr=LR,
        **settings(model),
    )


def _literal_minent(model: nn.Module) -> LiteralMinEnt:
    levels = [each for each in model.objectives.values() if isinstance(each, TargetEntropy)]
    return LiteralMinEnt(
        model.segmentor,
        {each.head: each.loss_weight for each in levels},
        lr=LR,
        **settings(model),
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
        **settings(model),
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
        LiteralSegmentor(model.segmentor, **settings(model)),
        align.discriminator,
        *_image_networks(model.cycle),
        weight=align.loss_weight,
    )


METHODS = (
    dict(
        source_only=Method(
            model=adaptor(dict(seg=SUPERVISION)),
            literal=lambda model: LiteralSourceOnly(model.segmentor, lr=LR, **settings(model)),
            optimizers=sgd(rivals=False),
        ),
        adaptsegnet_single=Method(
            model=adaptor(dict(seg=SUPERVISION, adv_decode=toy_alignment())),
            literal=_literal_adaptsegnet,
            optimizers=sgd(rivals=True),
        ),
        adaptsegnet_multi=Method(
            model=adaptor(
                dict(seg=SUPERVISION, adv_aux=toy_alignment(head='aux'), adv_decode=toy_alignment())
            ),
            literal=_literal_adaptsegnet,
            optimizers=sgd(rivals=True),
            heads=('decode', 'aux'),
        ),
        advent=Method(
            model=adaptor(
                dict(
                    seg=SUPERVISION,
                    adv_aux=toy_alignment(head='aux', of='entropy'),
                    adv_decode=toy_alignment(of='entropy'),
                )
            ),
            literal=_literal_adaptsegnet,
            optimizers=sgd(rivals=True),
            heads=('decode', 'aux'),
        ),
        minent=Method(
            model=adaptor(
                dict(
                    seg=SUPERVISION,
                    ent_aux=dict(type='TargetEntropy', head='aux', loss_weight=0.05),
                    ent_decode=dict(type='TargetEntropy', loss_weight=0.1),
                )
            ),
            literal=_literal_minent,
            optimizers=sgd(rivals=False),
            heads=('decode', 'aux'),
        ),
        fda=Method(
            model=adaptor(
                dict(seg=SUPERVISION, ent=ROBUST_ENTROPY),
                translator=dict(type='FourierTranslator', beta=BETA),
            ),
            literal=lambda model: LiteralFDA(
                model.segmentor,
                beta=BETA,
                weight=model.objectives['ent'].loss_weight,
                lr=LR,
                **settings(model),
            ),
            optimizers=sgd(rivals=False),
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
            model=adaptor(
                dict(seg=SUPERVISION),
                translator=dict(type='FrozenTranslator', generator=GENERATOR, scale=SCALE),
            ),
            literal=lambda model: LiteralTranslated(
                model.segmentor, model.translator.generator, SCALE, lr=LR, **settings(model)
            ),
            optimizers=sgd(rivals=False),
        ),
        cycada_align=Method(  # a gate that is open from the first iteration on
            model=adaptor(
                dict(align=ALIGNMENT | dict(gate=0.0), seg=SUPERVISION), type='AlternatingAdaptor'
            ),
            literal=_literal_adda,
            optimizers=sgd(rivals=True),
        ),
        cycada_joint=Method(
            model=adaptor(
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
    | TAUGHT
)
