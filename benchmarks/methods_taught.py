"""The entries of ``methods.py`` that learn from a mean teacher."""

from drawing import Drawn
from literal import LiteralDACS
from method_parts import CROPS512, LR, SUPERVISION, Method, adaptor, settings, sgd
from torch import nn

ALPHA = 0.99  # DACS' teacher
# Networks with random weights are sure of little; the threshold of the papers would weigh nothing.
THRESHOLD = 0.1
BLOCK = 32  # MIC's for crops of 512
MIX = dict(type='SelfTraining', classes='image', jitter=0.25, threshold=THRESHOLD)
MASK = dict(type='MaskedConsistency', block=BLOCK, jitter=0.25, threshold=THRESHOLD)


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
)
