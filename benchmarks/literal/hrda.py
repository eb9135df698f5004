"""HRDA's iteration: each cross-entropy on context and detail that are fused, and on the detail.

Hoyer et al., "HRDA: Context-Aware High-Resolution Domain-Adaptive Semantic Segmentation", ECCV
2022, sections 3.2 to 3.5. The detail has half of the image's sides, as in the paper (512 of 1024); a
quarter of these sides is a whole number of cells.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from literal.dacs import MeanTeacher
from literal.daformer import LiteralDAFormer
from torch import Tensor, nn


class WindowTeacher(MeanTeacher):
    """A teacher that sees the context, and overlapping windows of detail.

    Args:
        net: Backbone, ``decode_head`` and ``scale_attention``.
        alpha: As of the mean teacher.
        cell: Pixels per score of the head.
    """

    def __init__(self, net: nn.Module, alpha: float, cell: int) -> None:
        super().__init__(net, alpha)
        self.cell = cell

    def scores(self, images: Tensor) -> Tensor:
        features = self.net.backbone(F.avg_pool2d(images, 2))
        low = self.net.decode_head(features)
        height, width = images.shape[-2:]
        rows, columns = height // 2, width // 2
        corners = [
            (top, left)
            for top in range(0, height - rows + 1, rows // 2)
            for left in range(0, width - columns + 1, columns // 2)
        ]
        crops = [images[:, :, y : y + rows, x : x + columns] for y, x in corners]
        seen = self.net.decode_head(self.net.backbone(torch.cat(crops)))
        total = torch.zeros_like(twice(low))
        count = torch.zeros_like(total)
        for number, (y, x) in enumerate(corners):
            there = (..., *cells(y, x, rows, columns, self.cell))
            total[there] += seen[number * len(images) : (number + 1) * len(images)]
            count[there] += 1
        attention = torch.sigmoid(self.net.scale_attention(features))
        return twice(attention) * total / count + twice((1 - attention) * low)


class LiteralHRDA(LiteralDAFormer):
    """DAFormer's terms at two scales; with a distance of 0, DACS'.

    Args:
        net: Backbone, ``decode_head`` and ``scale_attention``; the last learns as fast as the head.
        *args: As in :class:`LiteralDAFormer`.
        alpha: Of the teacher.
        corners: Top and left of the detail, by the number of the forward and the image's sides.
        cell: Pixels per score of the head.
        detail: The share of the loss that the detail's scores take.
        context: The share of the scores of the context, less the attention.
        lr: Of the backbone.
        **others: As in :class:`LiteralDAFormer`.
    """

    def __init__(
        self,
        net: nn.Module,
        *args: object,
        alpha: float,
        corners: Callable[[int, tuple[int, int]], tuple[int, int]],
        cell: int = 4,
        detail: float = 0.1,
        context: float = 0.0,
        lr: float = 0.01,
        **others: object,
    ) -> None:
        super().__init__(net, *args, alpha=alpha, lr=lr, **others)
        self.sgd.add_param_group(dict(params=list(net.scale_attention.parameters()), lr=10 * lr))
        self.teacher = WindowTeacher(net, alpha, cell)
        self.corners, self.cell, self.shares = corners, cell, (detail, context)
        self.forwards = 0

    def forward(self, images: Tensor) -> dict:
        crop = tuple(side // 2 for side in images.shape[-2:])
        y, x = self.corners(self.forwards, tuple(images.shape[-2:]))
        self.forwards += 1
        features = self.net.backbone(F.avg_pool2d(images, 2))
        low = self.net.decode_head(features)
        high = self.net.decode_head(
            self.net.backbone(images[:, :, y : y + crop[0], x : x + crop[1]])
        )
        attention = torch.sigmoid(self.net.scale_attention(features))
        inside = torch.zeros_like(attention)
        inside[(..., *cells(y, x, *crop, 2 * self.cell))] = 1
        attention = attention * inside
        whole = torch.zeros_like(twice(low))
        whole[(..., *cells(y, x, *crop, self.cell))] = high
        context = (1 - attention) * low
        return dict(
            decode=self.resized(twice(attention) * whole + twice(context), images),
            detail=F.interpolate(high, crop, mode='bilinear'),
            context=self.resized(context, images),
            box=(y, x, *crop),
            features=features[-1],
        )

    def supervised(self, outputs: dict, batch: dict, domain: str = 'source') -> Tensor:
        labels = torch.cat([each.gt_sem_seg.data for each in batch[domain]['data_samples']])
        return self.criterion(outputs, labels)

    def weighted(self, images: Tensor, labels: Tensor, weights: Tensor) -> float:
        loss = self.criterion(self.forward(images), labels, weights)
        loss.backward()
        return loss.item()

    def criterion(self, outputs: dict, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        """Mean cross-entropies: weighted ones of all pixels, else of the labelled ones."""

        def loss(scores: Tensor, there: tuple = (...,)) -> Tensor:
            if weights is None:
                return F.cross_entropy(scores, labels[there], ignore_index=255)
            each = F.cross_entropy(scores, labels[there], ignore_index=255, reduction='none')
            return (each * weights[there]).sum() / each.numel()

        detail, context = self.shares
        fine = loss(outputs['detail'], (..., *cells(*outputs['box'], 1)))
        total = (1 - detail - context) * loss(outputs['decode']) + detail * fine
        return total + context * loss(outputs['context']) if context else total

    def distance(self, features: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Of the features of the context."""
        return super().distance(features, F.avg_pool2d(images, 2), labels)


def cells(top: int, left: int, height: int, width: int, side: int) -> tuple[slice, slice]:
    """Rows and columns of the cells of a box of pixels."""
    rows = slice(top // side, (top + height) // side)
    return rows, slice(left // side, (left + width) // side)


def twice(scores: Tensor) -> Tensor:
    """Scores at twice the resolution."""
    return F.interpolate(scores, scale_factor=2, mode='bilinear')
