"""Which classes are pasted, which blocks are masked, and the share of sure pixels."""

import math

import pytest
import torch

from mmseg_da.functional import (
    block_mask,
    blocks,
    class_mask,
    classes_present,
    confident_share,
    half_of_classes,
    inside_margins,
    rows_of,
    uniforms,
)

LIKE = torch.zeros(1)


def keys(number, count):
    """A row of random numbers for each of ``number`` images."""
    return torch.stack([uniforms(5, i, count=count, like=LIKE) for i in range(number)])


def test_classes_present_are_those_of_the_labels_with_one_more_for_what_is_none():
    labels = torch.tensor([[[0, 2, 2]], [[1, 255, 1]], [[-1, 4, 3]], [[0, 0, 0]]])
    expected = [[1, 0, 1, 0, 0], [0, 1, 0, 0, 1], [0, 0, 0, 1, 1], [1, 0, 0, 0, 0]]
    assert torch.equal(classes_present(labels, 4), torch.tensor(expected).bool())


@pytest.mark.parametrize('count', range(21))
def test_half_of_any_number_of_classes_is_chosen_rounded_up(count):
    present = torch.zeros(50, 20, dtype=torch.bool)
    present[:, torch.randperm(20)[:count]] = True
    chosen = half_of_classes(present, keys(50, 20))
    assert chosen.sum(dim=1).tolist() == [math.ceil(count / 2)] * 50
    assert not (chosen & ~present).any()


def test_every_set_of_half_of_the_classes_is_as_likely():
    """Five classes, of which 255 is one: each of the ten sets of three comes as often."""
    labels = torch.tensor([0, 2, 3, 5, 255]).view(1, 1, 5)
    draws = 4000
    present = classes_present(labels, 7).expand(draws, -1)
    chosen = half_of_classes(present, keys(draws, 8)).int()
    numbered = (chosen * 2 ** torch.arange(8)).sum(dim=1)
    _, counts = numbered.unique(return_counts=True)
    assert len(counts) == math.comb(5, 3)
    expected = draws / len(counts)
    assert ((counts - expected) ** 2 / expected).sum() < 27.9  # 9 degrees of freedom, 0.1 %
    shares = chosen.float().mean(dim=0)
    assert shares[[0, 2, 3, 5, 7]].tolist() == pytest.approx([0.6] * 5, abs=0.03)


def test_no_class_at_all_and_one_class():
    none = torch.zeros(1, 4, dtype=torch.bool)
    assert not half_of_classes(none, keys(1, 4)).any()
    only_ignored = torch.full((1, 2, 2), 255)
    chosen = half_of_classes(classes_present(only_ignored, 3), keys(1, 4))
    assert chosen.tolist() == [[False, False, False, True]]
    assert class_mask(only_ignored, chosen).all()


def test_the_mask_is_of_the_chosen_classes_of_each_image():
    labels = torch.tensor([[[0, 1, 255]], [[1, 0, 9]]])
    chosen = torch.tensor([[True, False, False], [False, True, True]])  # two classes, 255
    assert class_mask(labels, chosen).tolist() == [[[True, False, False]], [[True, False, True]]]


def test_blocks_of_64_divide_1024_pixels_into_256():
    assert blocks(64, 1024, 1024) == (16, 16)
    mask = block_mask(keys(3, 256), 0.7, 64, 1024, 1024)
    assert mask.shape == (3, 1, 1024, 1024)
    whole = mask.view(3, 16, 64, 16, 64)
    assert torch.equal(whole.amin(dim=(2, 4)), whole.amax(dim=(2, 4)))
    assert torch.equal(whole[:, :, 0, :, 0].reshape(3, 256), keys(3, 256) > 0.7)


@pytest.mark.parametrize('ratio', [0.0, 0.3, 0.7])
def test_the_expected_share_of_masked_blocks_is_the_ratio(ratio):
    masked = 1 - block_mask(keys(200, 256), ratio, 4, 64, 64).float()
    spread = math.sqrt(ratio * (1 - ratio) / (200 * 256))
    assert masked.mean().item() == pytest.approx(ratio, abs=4 * spread + 1e-4)
    per_image = masked.mean(dim=(1, 2, 3))
    assert (per_image.unique().numel() > 1) == (ratio > 0)  # no fixed number in each image


def test_a_block_is_kept_above_the_ratio_alone_and_cut_at_the_border():
    row = torch.tensor([[0.7, 0.71, 0.0, 0.99, 0.69, 0.8]])
    mask = block_mask(row, 0.7, 4, 5, 11)[0, 0]
    assert mask.shape == (5, 11)
    assert mask[0].tolist() == [False] * 4 + [True] * 4 + [False] * 3
    assert mask[4].tolist() == [True] * 4 + [False] * 4 + [True] * 3


def test_the_sure_share_counts_the_threshold_itself_over_all_pixels_of_the_batch():
    confidence = torch.tensor([[[0.968, 0.9], [0.97, 0.5]], [[0.1, 0.2], [0.3, 0.967999]]])
    assert confident_share(confidence, 0.968).item() == 2 / 8
    assert confident_share(confidence.double(), 0.5).item() == 5 / 8


def test_the_share_is_not_a_mean_of_means_nor_lost_in_half_a_million_pixels():
    confidence = torch.zeros(2, 512, 512)
    confidence[0, 0, :3] = 1.0
    assert confident_share(confidence, 0.968).item() == pytest.approx(3 / 2 / 512**2, rel=1e-6)


@pytest.mark.parametrize(
    ('margins', 'height', 'first', 'last'),
    [((15, 120), 512, 15, 392), ((0, 0), 5, 0, 5), ((0.25, 0.5), 8, 2, 4), ((3, 9), 8, 3, 0)],
)
def test_margins_are_rows_or_shares_of_the_height(margins, height, first, last):
    inside = inside_margins(height, *margins, like=torch.zeros(1, dtype=torch.double))
    assert inside.shape == (height, 1)
    assert inside.dtype == torch.double
    expected = [1.0 if first <= row < last else 0.0 for row in range(height)]
    assert inside.flatten().tolist() == expected


def test_a_margin_of_one_is_a_row():
    assert rows_of(1, 200) == 1
    assert rows_of(0.01, 200) == 2
