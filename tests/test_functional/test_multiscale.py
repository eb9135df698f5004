"""Boxes, windows and the fusion of two scales, on numbers worked out by hand."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from mmseg_da.functional import (
    averaged,
    cut,
    draw_box,
    fuse,
    in_chunks,
    padded_to,
    scaled_box,
    shrunk,
    uniform,
    window_boxes,
)


def test_a_crop_of_1024_has_nine_windows():
    boxes = window_boxes((1024, 1024), (512, 512), (256, 256))
    assert len(boxes) == 9
    assert boxes == [(y, y + 512, x, x + 512) for y in (0, 256, 512) for x in (0, 256, 512)]


def test_the_last_window_moves_back_and_a_large_one_is_cut():
    assert window_boxes((10, 7), (4, 9), (4, 9)) == [(0, 4, 0, 7), (4, 8, 0, 7), (6, 10, 0, 7)]
    assert window_boxes((4, 4), (4, 4), (2, 2)) == [(0, 4, 0, 4)]


@pytest.mark.parametrize('size', [(1024, 1024), (1001, 520), (512, 600)])
def test_boxes_begin_at_multiples_and_reach_every_place(size):
    keys = range(3000)
    boxes = [draw_box(size, (512, 512), 8, (uniform(1, k, 0), uniform(1, k, 1))) for k in keys]
    assert all(box[1] - box[0] == box[3] - box[2] == 512 for box in boxes)
    for axis in range(2):
        first = {box[2 * axis] for box in boxes}
        assert first == set(range(0, size[axis] - 512 + 1, 8))


def test_draws_at_the_ends_give_the_first_and_the_last_box():
    assert draw_box((1024, 768), (512, 512), 8, (0.0, 0.9999999)) == (0, 512, 256, 768)


def test_the_mean_of_windows_counts_each_pixel():
    boxes = window_boxes((3, 4), (2, 2), (1, 1))
    windows = [torch.full((1, 1, 2, 2), float(number)) for number in range(len(boxes))]
    expected = torch.empty(3, 4)
    for row, column in itertools.product(range(3), range(4)):
        seen = [n for n, b in enumerate(boxes) if b[0] <= row < b[1] and b[2] <= column < b[3]]
        expected[row, column] = sum(seen) / len(seen)
    assert torch.equal(averaged(windows, boxes, (3, 4))[0, 0], expected)


def literal_fusion(context, detail, attention, top, left, scale=2):
    """Cell by cell: bilinear interpolation at the centres of the fine cells, clamped at the rim."""
    images, classes, rows, columns = context.shape
    masked = torch.zeros_like(context)
    height, width = (side // scale for side in detail.shape[-2:])
    y, x = top // scale, left // scale
    masked[:, :, y : y + height, x : x + width] = attention[:, :, y : y + height, x : x + width]

    def at(values, n, c, row, column):
        row, column = (max((each + 0.5) / scale - 0.5, 0) for each in (row, column))
        total = 0.0
        for i, j in itertools.product((0, 1), (0, 1)):
            r, s = min(int(row) + i, rows - 1), min(int(column) + j, columns - 1)
            share = abs(1 - i - (row - int(row))) * abs(1 - j - (column - int(column)))
            total += share * values[n, c, r, s].item()
        return total

    out = torch.zeros(images, classes, scale * rows, scale * columns, dtype=context.dtype)
    for n, c, row, column in itertools.product(*map(range, out.shape)):
        inside = 0 <= row - top < detail.shape[-2] and 0 <= column - left < detail.shape[-1]
        fine = detail[n, c, row - top, column - left].item() if inside else 0.0
        out[n, c, row, column] = at(masked, n, c, row, column) * fine
        out[n, c, row, column] += at((1 - masked) * context, n, c, row, column)
    return out


def example(scale=2, classes=3):
    torch.manual_seed(0)
    context = torch.randn(2, classes, 5, 6, dtype=torch.float64)
    detail = torch.randn(2, classes, 2 * scale, 3 * scale, dtype=torch.float64)
    attention = torch.rand(2, classes, 5, 6, dtype=torch.float64)
    return context, detail, attention


@pytest.mark.parametrize('scale', [2, 3])
def test_the_fusion_is_the_formula(scale):
    context, detail, attention = example(scale)
    box = (scale, 3 * scale, 2 * scale, 5 * scale)
    ours = fuse(context, detail, attention, box, scale)
    theirs = literal_fusion(context, detail, attention, scale, 2 * scale, scale)
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-12)


def test_far_from_the_box_the_fusion_is_the_context():
    """The masked attention is interpolated, and so reaches one cell of the context across."""
    context, detail, attention = example()
    fused = fuse(context, detail, attention, (2, 6, 4, 10))
    differs = (fused - F.interpolate(context, (10, 12), mode='bilinear')).abs().amax((0, 1)) > 1e-12
    rows, columns = torch.nonzero(differs, as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1, 6, 3, 10)
    assert differs[1:7, 3:11].all()


def test_a_detail_that_is_everything_needs_no_box():
    context, _, attention = example()
    detail = torch.randn(2, 3, 10, 12, dtype=torch.float64)
    whole = fuse(context, detail, attention)
    assert torch.equal(whole, fuse(context, detail, attention, (0, 10, 0, 12)))
    assert torch.equal(fuse(context, detail, torch.ones_like(attention)), detail)


def test_one_channel_of_attention_is_for_all_classes():
    context, detail, attention = example()
    one = attention[:, :1]
    ours, theirs = (
        fuse(context, detail, each, (2, 6, 4, 10)) for each in (one, one.expand_as(context))
    )
    assert torch.equal(ours, theirs)


def test_images_are_continued_by_zeros_and_averaged_in_blocks():
    images = torch.ones(1, 3, 9, 16)
    padded = padded_to(images, 8)
    assert padded.shape == (1, 3, 16, 16)
    assert padded.sum() == images.sum()
    assert padded_to(padded, 8) is padded
    values = torch.arange(16.0).view(1, 1, 4, 4)
    assert shrunk(values, 2).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]


def test_parts_and_chunks():
    values = torch.arange(12).view(1, 3, 4)
    assert cut(values, (1, 2, 1, 3)).tolist() == [[[5, 6]]]
    assert cut(values, None) is values
    assert scaled_box((8, 16, 24, 32), 8) == (1, 2, 3, 4)
    assert list(in_chunks(5, 2)) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert list(in_chunks(4, None)) == [slice(0, 4)]
    assert list(in_chunks(4, 2)) == [slice(0, 2), slice(2, 4)]
