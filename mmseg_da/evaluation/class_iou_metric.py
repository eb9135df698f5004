"""IoU with every class logged."""

import numpy as np
import torch
from mmseg.evaluation.metrics import IoUMetric

from mmseg_da.registry import METRICS


@METRICS.register_module()
class ClassIoUMetric(IoUMetric):
    """mmseg's ``IoUMetric`` that also returns ``IoU.<class>`` for every class.

    mmseg prints the classes in a table and logs their means alone; with this one they are in
    ``vis_data/scalars.json`` and every other backend too. In percent; a class that neither the
    labels nor the predictions contain is ``nan``, as in the table.
    """

    def compute_metrics(self, results: list) -> dict[str, float]:
        """The means of ``IoUMetric``, then one entry per class."""
        metrics = super().compute_metrics(results)
        if self.format_only:
            return metrics
        intersect, union = (
            torch.stack(areas).sum(dim=0).double().numpy()
            for areas in list(zip(*results, strict=True))[:2]
        )
        with np.errstate(invalid='ignore'):
            ious = 100 * intersect / union
        names = self.dataset_meta['classes']
        return metrics | {
            f'IoU.{name}': round(float(iou), 2) for name, iou in zip(names, ious, strict=True)
        }
