"""Hooks: what needs the clock, or acts between iterations."""

from mmseg_da.engine.hooks.adaptation_view_hook import AdaptationViewHook
from mmseg_da.engine.hooks.checkpoint_hook import SafeCheckpointHook
from mmseg_da.engine.hooks.class_surgery_hook import ClassSurgeryHook
from mmseg_da.engine.hooks.closed_gate_hook import ClosedGateHook
from mmseg_da.engine.hooks.divergence_hook import DivergenceHook
from mmseg_da.engine.hooks.loss_weight_hook import LossWeightHook
from mmseg_da.engine.hooks.norm_eval_hook import NormEvalHook
from mmseg_da.engine.hooks.pseudo_label_hook import PseudoLabelHook
from mmseg_da.engine.hooks.stage_report_hook import StageReportHook
from mmseg_da.engine.hooks.teacher_validation_hook import TeacherValidationHook
from mmseg_da.engine.hooks.unfreeze_hook import UnfreezeHook

__all__ = [
    'AdaptationViewHook',
    'ClassSurgeryHook',
    'ClosedGateHook',
    'DivergenceHook',
    'LossWeightHook',
    'NormEvalHook',
    'PseudoLabelHook',
    'SafeCheckpointHook',
    'StageReportHook',
    'TeacherValidationHook',
    'UnfreezeHook',
]
