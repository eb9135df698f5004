"""One page about trainings, from the folders that they leave."""

from mmseg_da.report.predictions import Predictions, predict
from mmseg_da.report.runs import Run, read_run
from mmseg_da.report.writing import make_report

__all__ = ['Predictions', 'Run', 'make_report', 'predict', 'read_run']
