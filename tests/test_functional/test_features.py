"""Which class covers a cell, and distances of features."""

import pytest
import torch
import torch.nn.functional as F

from mmseg_da.functional import cell_classes, feature_distances

C = 5


def pooled(labels, side, share):
    """The same by one-hot vectors and average pooling, for sizes that are multiples of the side."""
    classes = labels.clone()
    classes[labels == 255] = C
    shares = F.avg_pool2d(F.one_hot(classes, C + 1).permute(0, 3, 1, 2).double(), side)
    most, found = shares.max(dim=1)
    found[most < share] = C
    return found


@pytest.mark.parametrize('share', [0.3, 0.75, 1.0])
def test_cells_are_those_of_average_pooling(share):
    torch.manual_seed(0)
    coarse = torch.randint(0, C + 1, (3, 4, 3))
    labels = coarse.repeat_interleave(8, 1).repeat_interleave(8, 2)
    noise = torch.rand(labels.shape) < 0.2
    labels = torch.where(noise, torch.randint(0, C + 1, labels.shape), labels)
    labels[labels == C] = 255
    found = cell_classes(labels, C, (4, 3), share)
    assert torch.equal(found, pooled(labels, 8, share))
    assert share == 1.0 or len(found.unique()) > 2


def test_a_class_needs_three_quarters_of_a_cell():
    labels = torch.full((1, 64, 64), 255)
    labels[:, :24, :32] = 2  # exactly 3/4 of the first cell
    labels[:, :24, 32:] = 3
    labels[:, 23, 63] = 1  # one pixel less
    labels[:, 32:, :32] = 4
    assert cell_classes(labels, C, (2, 2)).tolist() == [[[2, C], [4, C]]]


def test_odd_sizes_are_divided_without_a_rest():
    labels = torch.zeros(1, 7, 5, dtype=torch.long)
    labels[:, 4:] = 1  # rows 0 to 3 are in the first cell: y * 2 // 7
    assert cell_classes(labels, C, (2, 1), 1.0).flatten().tolist() == [0, 1]


def test_distances_and_their_gradient():
    features = torch.tensor([[3.0, 0.0], [4.0, 0.0]]).view(1, 2, 1, 2).requires_grad_()
    found = feature_distances(features, torch.zeros(1, 2, 1, 2))
    assert found.tolist() == [[[5.0, 0.0]]]
    found.sum().backward()
    torch.testing.assert_close(features.grad.flatten(), torch.tensor([0.6, 0.0, 0.8, 0.0]))


def test_distances_of_half_precision_are_single():
    big = torch.full((1, 4, 1, 1), 300.0, dtype=torch.float16)
    found = feature_distances(big, -big)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(1200)
