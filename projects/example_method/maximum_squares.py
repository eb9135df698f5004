"""The maximum squares loss, as an objective that lies outside of mmseg_da."""

import torch
from torch import Tensor

from mmseg_da.errors import UserError
from mmseg_da.functional import softmax_map, upsampled_scores
from mmseg_da.models import Objective
from mmseg_da.models.objectives.base import require_classes
from mmseg_da.registry import MODELS


def maximum_squares(logits: Tensor, alpha: float) -> Tensor:
    """Maximum squares loss with image-wise weights (Chen et al., ICCV 2019, sections 3.2 and 3.3).

    Args:
        logits: Scores of a segmentor (N, C, H, W).
        alpha: How much classes that are rare in an image count for: 0 not at all, 1 as frequent ones.

    Returns:
        ``-sum_n sum_c P[n, c] ** 2 / (2 * N_k ** alpha * N ** (1 - alpha))`` over the N pixels n of
        an image, where N_k pixels are predicted as the class k of pixel n; the mean over images.
    """
    squares = softmax_map(logits).square().sum(dim=1).flatten(1)
    classes = logits.argmax(dim=1).flatten(1)
    pixels = squares.new_zeros(logits.shape[:2])
    pixels.scatter_add_(1, classes, torch.ones_like(squares))
    shares = pixels.gather(1, classes) / classes.shape[1]  # N_k / N, of each pixel; never 0
    return -(squares / shares.pow(alpha)).mean() / 2


@MODELS.register_module()
class MaximumSquares(Objective):
    """Make the segmentor certain about the target, without the steep gradient of the entropy.

    Args:
        head: Which head: ``'decode'``, ``'aux'``, ``'aux_0'``, ...
        alpha: Of the image-wise weights, in [0, 1]; 0 is the loss without them.
        loss_weight: Weight of the loss.

    Raises:
        UserError: ``alpha`` is out of its range, or the segmentor has no such head.
    """

    views = ('target',)

    def __init__(self, head: str = 'decode', alpha: float = 0.2, loss_weight: float = 0.1) -> None:
        super().__init__(loss_weight)
        if not 0 <= alpha <= 1:
            raise UserError(f'MaximumSquares: alpha={alpha!r} must be in [0, 1]')
        self.head, self.alpha = head, alpha

    def attach(self, segmentor):
        """Look for the head."""
        head = require_classes(segmentor, self.head, 'MaximumSquares')
        self.align_corners = head.align_corners

    def losses(self, step):
        """At the size of the image."""
        size = step.target.images.shape[-2:]
        scores = upsampled_scores(step.target.dense.logits[self.head], size, self.align_corners)
        return dict(loss_squares=self.loss_weight * maximum_squares(scores, self.alpha))
