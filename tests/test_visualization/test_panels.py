"""Colours, and the grid that is written."""

import cv2
import numpy as np

from mmseg_da.visualization import paint, save_panel

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
