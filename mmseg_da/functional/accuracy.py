"""How often a segmentor is right, for the log of a training step."""

import torch
from torch import Tensor


@torch.no_grad()
def pixel_accuracy(logits: Tensor, labels: Tensor, ignore: int = 255) -> Tensor:
    """The share of labelled pixels whose class scores highest.

    It compares the score of the label with the highest one, so that, unlike a search for the
    highest class and a selection of the labelled pixels, it sorts nothing and never waits for the
    device. A tie for the highest score counts as right.

    Args:
        logits: Scores (N, C, H, W).
        labels: Classes 0..C-1 or ``ignore`` (N, H, W), int64.
        ignore: The label of pixels that do not count.

    Returns:
        Percent, a scalar in float32, 0 to 100; 0 where no pixel is labelled.
    """
    labelled = labels != ignore
    chosen = logits.gather(1, labels.where(labelled, 0).unsqueeze(1)).squeeze(1)
    right = (chosen == logits.amax(dim=1)) & labelled
    return 100.0 * right.sum() / labelled.sum().clamp(min=1)
