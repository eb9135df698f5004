"""Metrics of adaptation."""

from mmseg_da.evaluation.class_iou_metric import ClassIoUMetric

__all__ = ['ClassIoUMetric']
