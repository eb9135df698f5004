"""Data sets, how pairs of them are drawn, and how their labels are converted."""

from mmseg_da.datasets.acdc import ACDCDataset
from mmseg_da.datasets.cross_city import CrossCityDataset
from mmseg_da.datasets.few_images import choose_few
from mmseg_da.datasets.gta import GTADataset
from mmseg_da.datasets.labelled import LabelledDataset
from mmseg_da.datasets.margins import MarkMargins, PackTargetInputs, PadWithMarks
from mmseg_da.datasets.merging import merge
from mmseg_da.datasets.pseudo_labels import LoadPseudoLabels
from mmseg_da.datasets.samplers import Draw, LabelledSampler, SourceTargetSampler
from mmseg_da.datasets.source_target import SourceTargetDataset
from mmseg_da.datasets.synthia import SynthiaDataset

__all__ = [
    'ACDCDataset',
    'CrossCityDataset',
    'Draw',
    'GTADataset',
    'LabelledDataset',
    'LabelledSampler',
    'LoadPseudoLabels',
    'MarkMargins',
    'PackTargetInputs',
    'PadWithMarks',
    'SourceTargetDataset',
    'SourceTargetSampler',
    'SynthiaDataset',
    'choose_few',
    'merge',
]
