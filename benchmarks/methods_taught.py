"""The entries of ``methods.py`` that learn from a mean teacher."""

from drawing import Drawn
from literal import LiteralDACS, LiteralDAFormer
from method_parts import CLASSES, CROPS512, LR, SUPERVISION, Method, adaptor, settings, sgd
from torch import nn

ALPHA, DAFORMER_ALPHA = 0.99, 0.999  # of the teachers
# Networks with random weights are sure of little; the threshold of the papers would weigh nothing.
THRESHOLD = 0.1
BLOCK = 32  # MIC's for crops of 512
MIX = dict(type='SelfTraining', classes='image', jitter=0.25, threshold=THRESHOLD)
MASK = dict(type='MaskedConsistency', block=BLOCK, jitter=0.25, threshold=THRESHOLD)

DAFORMER_MIX = MIX | dict(classes='batch', jitter=0.2)
# Random labels cover no cell by three quarters; what is learnt takes no other time.
DISTANCE = dict(type='FeatureDistance', things=['car', 'person'], min_share=0.25)


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
)
