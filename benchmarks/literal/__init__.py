"""The papers' iterations in plain torch, term by term, as their algorithms read.

The tests compare the package with them number by number, ``benchmarks/step_time.py`` by time and
memory. They share nothing with the package: they take bare networks and write their own losses,
preprocessing and optimizers, each a single call of torch where torch has one.
"""

from literal.adaptsegnet import LiteralAdaptSegNet
from literal.adda import LiteralAdda
from literal.cyclegan import LiteralCycleGAN
from literal.dacs import LiteralDACS, LiteralTaughtAdaptSegNet, LiteralTaughtMinEnt
from literal.daformer import LiteralDAFormer
from literal.fda import LiteralFDA
from literal.few_labels import LiteralFewLabels, LiteralFewLabelsMinEnt, LiteralMixedFineTuning
from literal.hrda import LiteralHRDA
from literal.joint import LiteralJoint
from literal.minent import LiteralMinEnt
from literal.segmentor import LiteralSegmentor
from literal.self_training import LiteralSelfTraining
from literal.source_confusion import LiteralSourceConfusion
from literal.source_only import LiteralSourceOnly, LiteralTranslated
from literal.vfm import LiteralVFM

__all__ = [
    'LiteralAdaptSegNet',
    'LiteralAdda',
    'LiteralCycleGAN',
    'LiteralDACS',
    'LiteralDAFormer',
    'LiteralFDA',
    'LiteralFewLabels',
    'LiteralFewLabelsMinEnt',
    'LiteralHRDA',
    'LiteralJoint',
    'LiteralMinEnt',
    'LiteralMixedFineTuning',
    'LiteralSegmentor',
    'LiteralSelfTraining',
    'LiteralSourceConfusion',
    'LiteralSourceOnly',
    'LiteralTaughtAdaptSegNet',
    'LiteralTaughtMinEnt',
    'LiteralTranslated',
    'LiteralVFM',
]
