"""Colours, and the grid that is written."""

import cv2
import numpy as np
import pytest
import torch

from mmseg_da.visualization import draw_panel, paint, save_panel, to_picture

PALETTE = [[10, 20, 30], [200, 100, 50]]


def test_labels_are_painted_in_their_colours():
    painted = paint(np.array([[0, 1], [255, 1]]), PALETTE)
    assert painted.dtype == np.uint8
    assert painted.tolist() == [[[10, 20, 30], [200, 100, 50]], [[0, 0, 0], [200, 100, 50]]]


def test_a_panel_shows_every_image(tmp_path):
    red, blue = np.zeros((2, 20, 40, 3), dtype=np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    file = tmp_path / 'new' / 'panel.png'
    save_panel([dict(left=red, right=blue)] * 2, file, ('a', 'b'), PALETTE)
    picture = cv2.imread(str(file))[..., ::-1].astype(int)
    is_red = (abs(picture - [255, 0, 0]).sum(-1) < 10).sum(0)
    is_blue = (abs(picture - [0, 0, 255]).sum(-1) < 10).sum(0)
    columns = np.arange(picture.shape[1])
    assert columns[is_red > 0].max() < columns[is_blue > 0].min()  # in the order of the row
    assert is_red.sum() > 10_000  # two of them, not thumbnails
    legend = (abs(picture - PALETTE[1]).sum(-1) < 10).sum()
    assert legend > 20


def block(*colour, size=(20, 40)):
    return np.full((*size, 3), colour, dtype=np.uint8)


def where(picture, colour):
    """Rows and columns of the pixels of a colour: first and last of each."""
    found = np.argwhere((picture.astype(int) == colour).all(-1))
    (top, left), (bottom, right) = found.min(0), found.max(0)
    return top, bottom, left, right


def test_a_panel_keeps_colours_and_proportions():
    panel = draw_panel([dict(only=block(10, 200, 70, size=(30, 90)))], width=2.0)
    assert panel.dtype == np.uint8
    assert panel.flags.c_contiguous
    top, bottom, left, right = where(panel, [10, 200, 70])
    height, width = bottom - top, right - left
    assert width / height == pytest.approx(3, rel=0.05)
    assert 190 < width <= 220  # two units of 110 pixels, less the space around
    inside = panel[top + 1 : bottom, left + 1 : right]
    assert (inside == [10, 200, 70]).all()


def test_rows_of_several_proportions_and_titles_keep_their_columns():
    wide, tall = block(250, 0, 0, size=(10, 40)), block(0, 250, 0, size=(40, 40))
    rows = [dict(a=wide, b=block(0, 0, 250, size=(10, 40))), dict(b=tall)]
    panel = draw_panel(rows, names=['upper', 'lower'])
    first, second, below = (
        where(panel, colour) for colour in ([250, 0, 0], [0, 0, 250], [0, 250, 0])
    )
    assert first[3] < second[2]  # a left of b
    assert second[1] < below[0]
    assert below[1] - below[0] > 3 * (second[1] - second[0])
    overlap = min(second[3], below[3]) - max(second[2], below[2])
    assert overlap > 0.9 * (second[3] - second[2])  # the same column
    left = panel[below[0] : below[1], : first[2] - 2]
    assert (left < 100).any()  # the name of the row
    assert (panel[below[0] : below[1], first[2] : first[3]] == 255).all()  # the empty cell


@pytest.mark.parametrize('count', [1, 3, 20])
@pytest.mark.parametrize('columns', [1, 5])
def test_the_legend_lies_below_the_images_and_shows_every_class(count, columns):
    palette = [[7 * i + 60, 255 - 9 * i, 5] for i in range(count)]
    names = [f'traffic light {i}' for i in range(count)]
    panel = draw_panel([{f'{i}': block(1, 2, 3) for i in range(columns)}], names, palette)
    bottom = where(panel, [1, 2, 3])[1]
    patches = [where(panel, colour) for colour in palette]
    assert min(patch[0] for patch in patches) > bottom
    for top, low, left, right in patches:
        assert low - top > 5
        assert right - left > 15
    assert (panel[:, [0, 1, -2, -1]] == 255).all()  # nothing is cut off at the sides
    assert (panel[-2:] == 255).all()


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / 'x.png').mkdir()
    with pytest.raises(IsADirectoryError):
        save_panel([dict(a=block(1, 2, 3))], tmp_path / 'x.png')
    assert [path.name for path in tmp_path.iterdir()] == ['x.png']


def test_a_saved_panel_is_the_drawn_one(tmp_path):
    rows = [dict(a=block(250, 130, 10))]
    save_panel(rows, tmp_path / 'x.png', ['c'], [[1, 2, 3]], ['row'])
    saved = cv2.imread(str(tmp_path / 'x.png'))[..., ::-1]
    np.testing.assert_array_equal(saved, draw_panel(rows, ['c'], [[1, 2, 3]], ['row']))


def test_images_are_clipped_and_rounded_for_the_eye_alone():
    pixels = torch.tensor([-20.0, 99.6, 300.0]).view(3, 1, 1).repeat(1, 2, 4)
    shown = to_picture(pixels)
    assert shown.shape == (2, 4, 3)
    assert shown.dtype == np.uint8
    assert shown[0, 0].tolist() == [0, 100, 255]
    assert pixels[:, 0, 0].tolist() == pytest.approx([-20.0, 99.6, 300.0])
    assert to_picture(torch.full((3, 1, 1), torch.nan))[0, 0].tolist() == [0, 0, 0]
    assert to_picture(pixels.half())[0, 0].tolist() == [0, 100, 255]


def test_label_maps_are_painted():
    labels = torch.tensor([[0, 1, 255]])
    assert to_picture(labels, PALETTE)[0].tolist() == [*PALETTE, [0, 0, 0]]


@pytest.mark.parametrize(
    'values', [torch.zeros(1, 4, 4), torch.zeros(4, 4), torch.zeros(3, 4, 4).long()]
)
def test_what_is_no_picture_is_told(values):
    with pytest.raises(ValueError, match=r'neither an image.*\(.*4'):
        to_picture(values)
