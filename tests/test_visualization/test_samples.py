"""A sample as a picture: its own colours, labels over them, nothing where there are none."""

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer
from PIL import Image

from mmseg_da.errors import UserError
from mmseg_da.visualization import draw_sample, to_rgb

PALETTE = [[250, 0, 0], [0, 250, 0]]


@pytest.fixture
def visualizer():
    made = SegLocalVisualizer(alpha=0.5)
    made.dataset_meta = dict(classes=('a', 'b'), palette=PALETTE)
    return made


def sample(labels=None, size=(60, 80)):
    bgr = torch.tensor([40, 20, 10], dtype=torch.uint8).view(3, 1, 1).repeat(1, *size)
    packed = SegDataSample()
    if labels is not None:
        packed.gt_sem_seg = PixelData(data=torch.full((1, *size), 255))
        packed.gt_sem_seg.data[0, :, : size[1] // 2] = labels
    return dict(inputs=bgr, data_samples=packed)


def read(path):
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


def test_colours_are_turned_round_and_contiguous():
    image = to_rgb(sample()['inputs'])
    assert image[0, 0].tolist() == [10, 20, 40]
    assert image.shape == (60, 80, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert to_rgb(torch.tensor([300.0, -5.0, 7.9]).view(3, 1, 1))[0, 0].tolist() == [7, 0, 255]


def test_an_image_without_labels_stays_as_it_is(visualizer, tmp_path):
    draw_sample(visualizer, sample(), 'x', tmp_path / 'new/x.png')
    np.testing.assert_array_equal(read(tmp_path / 'new/x.png'), np.full((60, 80, 3), [10, 20, 40]))


def test_labels_lie_over_the_image(visualizer, tmp_path):
    draw_sample(visualizer, sample(labels=1), 'x', tmp_path / 'x.png')
    drawn = read(tmp_path / 'x.png')
    assert drawn[-1, 0].tolist() == [5, 135, 20]  # half the image and half the class's colour
    assert drawn[-1, -1].tolist() == [5, 10, 20]  # ignored: half the image
    assert [path.name for path in tmp_path.iterdir()] == ['x.png']


def test_a_picture_is_shown_as_it_is_written(tmp_path):
    shown = []

    class Window(SegLocalVisualizer):
        def show(self, drawn_img=None, win_name='', wait_time=0, **kwargs):
            shown.append((win_name, wait_time, drawn_img.copy()))

    window = Window(alpha=0.5)
    window.dataset_meta = dict(classes=('a', 'b'), palette=PALETTE)
    for labels in (None, 0):
        draw_sample(window, sample(labels), f'{labels}', tmp_path / f'{labels}.png', True, 3)
    for name, wait_time, image in shown:
        assert wait_time == 3
        np.testing.assert_array_equal(image, read(tmp_path / f'{name}.png'))
    assert len(shown) == 2


def test_a_picture_that_cannot_be_written_is_told(visualizer, tmp_path):
    (tmp_path / 'x.png').mkdir()
    with pytest.raises(UserError, match=r'x\.png: cannot write the picture'):
        draw_sample(visualizer, sample(), 'x', tmp_path / 'x.png')
    assert [path.name for path in tmp_path.iterdir()] == ['x.png']
