"""The entries of ``methods.py`` that learn from a mean teacher."""

from drawing import Drawn, corners_of, draws_by_image, with_masked_forward
from literal import LiteralDACS, LiteralDAFormer, LiteralHRDA, LiteralVFM
from method_parts import (
    CLASSES,
    CROPS512,
    CROPS1024,
    LR,
    SUPERVISION,
    Method,
    adaptor,
    settings,
    sgd,
)
from networks import network
from torch import nn

from mmseg_da.testing import toy_adaptor

ALPHA, DAFORMER_ALPHA = 0.99, 0.999  # of the teachers
# Networks with random weights are sure of little; the threshold of the papers would weigh nothing.
THRESHOLD = 0.1
BLOCK = 32  # MIC's for crops of 512
MIX = dict(type='SelfTraining', classes='image', jitter=0.25, threshold=THRESHOLD)
MASK = dict(type='MaskedConsistency', block=BLOCK, jitter=0.25, threshold=THRESHOLD)

DAFORMER_MIX = MIX | dict(classes='batch', jitter=0.2)
# Random labels cover no cell by three quarters; what is learnt takes no other time.
DISTANCE = dict(type='FeatureDistance', things=['car', 'person'], min_share=0.25)
WEAK = [32 / 255, 0.5, 0.5, 18 / 360]
IMAGEWISE = dict(photometric=True, each_image=True, threshold=THRESHOLD)
VFM = dict(
    seg=dict(type='JitteredSupervision', jitter=WEAK),
    mix=dict(type='SelfTraining', target_jitter=WEAK, **IMAGEWISE),
    mask=dict(type='MaskedConsistency', where='tokens', **IMAGEWISE),
)
VFM_LR = 1e-4  # of the head


def _literal_dacs(model: nn.Module) -> Drawn:
    mask = dict(model.objectives).get('mask')
    return Drawn(
        model,
        lambda draws: LiteralDACS(
            model.segmentor,
            alpha=ALPHA,
            threshold=THRESHOLD,
            mask=None if mask is None else (mask.ratio, mask.block),
            draws=draws,
            lr=LR,
            **settings(model),
        ),
    )


def _literal_daformer(model: nn.Module) -> Drawn:
    distance = model.objectives['fd']
    return Drawn(
        model,
        lambda draws: LiteralDAFormer(
            model.segmentor,
            alpha=DAFORMER_ALPHA,
            threshold=THRESHOLD,
            whole_batch=True,
            things=[CLASSES.index(each) for each in distance.things],
            distance=distance.loss_weight,
            min_share=distance.min_share,
            draws=draws,
            lr=LR,
            **settings(model),
        ),
    )


def _two_scales(segmentor: dict) -> dict:
    """DACS on a segmentor that sees context and detail; of any stride up to 8."""
    head = segmentor['decode_head']
    level = head['in_channels'], head['in_index']
    channels, index = (each[0] if isinstance(each, list) else each for each in level)
    attention = dict(
        type='FCNHead', in_channels=channels, in_index=index, channels=64, dropout_ratio=0.0,
        num_convs=1, kernel_size=1, concat_input=False, norm_cfg=dict(type='BN'),
    )  # fmt: skip
    ours = dict(
        type='HRDAEncoderDecoder', auxiliary_head=None, scale_attention=attention,
        detail_crop=0.5, multiple=16,
    )  # fmt: skip
    objectives = dict(seg=SUPERVISION, mix=MIX)
    return toy_adaptor(segmentor | ours, objectives, teacher=dict(alpha=ALPHA))


def _literal_hrda(model: nn.Module) -> Drawn:
    strided = 'ResNet' in type(model.segmentor.backbone).__name__
    return Drawn(
        model,
        lambda draws: LiteralHRDA(
            model.segmentor,
            alpha=ALPHA,
            threshold=THRESHOLD,
            draws=draws,
            corners=corners_of(model.segmentor),
            cell=8 if strided else 4,
            things=(),
            distance=0.0,
            lr=LR,
            **settings(model),
        ),
    )


def _vfm(_: None) -> dict:
    """VFM-UDA with a small vision transformer: it masks tokens, which other networks do not have."""
    segmentor = network('small_dinov2.py')
    segmentor['decode_head']['num_classes'] = len(CLASSES)
    return toy_adaptor(segmentor, VFM, teacher=dict(alpha=DAFORMER_ALPHA, flips=True))


def _literal_vfm(model: nn.Module) -> Drawn:
    with_masked_forward(model.segmentor.backbone)
    return Drawn(
        model,
        lambda draws: LiteralVFM(
            model.segmentor,
            alpha=DAFORMER_ALPHA,
            draws=draws,
            threshold=THRESHOLD,
            ratio=model.objectives['mask'].ratio,
            lr=VFM_LR,
        ),
        draws_by_image,
    )


def _adamw() -> dict:
    own = dict(
        optimizer=dict(type='AdamW', lr=VFM_LR, weight_decay=0.01),
        paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
    )
    return dict(constructor='PartwiseOptimWrapperConstructor', type='OptimWrapper', segmentor=own)


TAUGHT = dict(
    dacs=Method(
        model=adaptor(dict(seg=SUPERVISION, mix=MIX), teacher=dict(alpha=ALPHA)),
        literal=_literal_dacs,
        optimizers=sgd(rivals=False),
        paper=CROPS512,
    ),
    mic=Method(  # beside DACS
        model=adaptor(dict(seg=SUPERVISION, mix=MIX, mask=MASK), teacher=dict(alpha=ALPHA)),
        literal=_literal_dacs,
        optimizers=sgd(rivals=False),
        paper=CROPS512,
    ),
    daformer=Method(
        model=adaptor(
            dict(seg=SUPERVISION, fd=DISTANCE, mix=DAFORMER_MIX),
            teacher=dict(alpha=DAFORMER_ALPHA),
        ),
        literal=_literal_daformer,
        optimizers=sgd(rivals=False),
        paper=CROPS512,
    ),
    hrda=Method(  # with DACS' terms
        model=_two_scales,
        literal=_literal_hrda,
        optimizers=sgd(rivals=False, scale_attention=10.0),
        unfit=('deeplabv2', 'deeplabv2_r101'),  # their scores lie on no grid of pixels
        divisor=32,
        paper=CROPS1024,
    ),
    vfm=Method(
        model=_vfm, literal=_literal_vfm, optimizers=_adamw, heads=(), divisor=8, paper=CROPS512
    ),
)
