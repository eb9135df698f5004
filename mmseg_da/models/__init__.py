"""Parts, phases and objectives: what is trained, and with which terms."""

from mmseg_da.models.adaptors import AlternatingAdaptor, DomainAdaptor, JointAdaptor
from mmseg_da.models.backbones import (
    DRN,
    FCNVGG16,
    CeilPoolResNet,
    DINOv2,
    ReleasedMixVisionTransformer,
)
from mmseg_da.models.data_preprocessor import DomainPreprocessor
from mmseg_da.models.decode_heads import ASPPV2Head, DAFormerHead, FCN8sHead, UpscaleHead
from mmseg_da.models.discriminators import (
    PatchDiscriminator,
    PixelDiscriminator,
    PointwiseDiscriminator,
)
from mmseg_da.models.ensemble import SegmentorEnsemble
from mmseg_da.models.objectives import (
    ClassPrior,
    FeatureAlignment,
    FeatureDistance,
    JitteredSupervision,
    LabelledTargetSupervision,
    MaskedConsistency,
    Objective,
    OutputAlignment,
    PseudoSupervision,
    SelfTraining,
    SourceConfusion,
    SourceSupervision,
    TargetEntropy,
)
from mmseg_da.models.phased import Phase, PhasedModel, Stage
from mmseg_da.models.segmentors import BatchedSlideEncoderDecoder, HRDAEncoderDecoder
from mmseg_da.models.teacher import EmaTeacher
from mmseg_da.models.translators import (
    CycleTranslator,
    FourierTranslator,
    FrozenTranslator,
    ImagePool,
    PerSourceTranslator,
    ResnetGenerator,
    Translator,
    UnetGenerator,
)

__all__ = [
    'DRN',
    'FCNVGG16',
    'ASPPV2Head',
    'AlternatingAdaptor',
    'BatchedSlideEncoderDecoder',
    'CeilPoolResNet',
    'ClassPrior',
    'CycleTranslator',
    'DAFormerHead',
    'DINOv2',
    'DomainAdaptor',
    'DomainPreprocessor',
    'EmaTeacher',
    'FCN8sHead',
    'FeatureAlignment',
    'FeatureDistance',
    'FourierTranslator',
    'FrozenTranslator',
    'HRDAEncoderDecoder',
    'ImagePool',
    'JitteredSupervision',
    'JointAdaptor',
    'LabelledTargetSupervision',
    'MaskedConsistency',
    'Objective',
    'OutputAlignment',
    'PatchDiscriminator',
    'PerSourceTranslator',
    'Phase',
    'PhasedModel',
    'PixelDiscriminator',
    'PointwiseDiscriminator',
    'PseudoSupervision',
    'ReleasedMixVisionTransformer',
    'ResnetGenerator',
    'SegmentorEnsemble',
    'SelfTraining',
    'SourceConfusion',
    'SourceSupervision',
    'Stage',
    'TargetEntropy',
    'Translator',
    'UnetGenerator',
    'UpscaleHead',
]
