"""Margins follow the pixels that they were marked on."""

import copy

import numpy as np
import pytest
from mmengine.registry import TRANSFORMS as ROOT
from mmseg.registry import TRANSFORMS

from mmseg_da.errors import UserError

HEIGHT, WIDTH = 20, 40
MARGINS = dict(top=2, bottom=5, left=3, right=3)


def inside(top=2, bottom=5, left=3, right=3):
    """An image that is 255 where it is valid, so that image and mask can be compared."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[top : HEIGHT - bottom, left : WIDTH - right] = 255
    return image


def run(image, *pipeline):
    results = dict(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2], seg_fields=[])
    for cfg in (*pipeline, dict(type='PackTargetInputs', meta_keys=())):
        results = TRANSFORMS.build(dict(cfg)).__call__(copy.deepcopy(results))
    return results


@pytest.fixture(autouse=True)
def scope():
    with ROOT.switch_scope_and_registry('mmseg'):
        yield


@pytest.mark.parametrize('seed', range(5))
def test_crops_and_flips_take_the_marks_along(seed):
    np.random.seed(seed)
    packed = run(
        inside(),
        dict(type='MarkMargins', **MARGINS),
        dict(type='RandomCrop', crop_size=(HEIGHT, 16)),
        dict(type='RandomFlip', prob=0.5),
    )
    mask = packed['data_samples'].valid_mask.data
    assert mask.shape == (1, HEIGHT, 16)
    assert mask[0].equal(packed['inputs'][0] == 255)
    assert 'gt_sem_seg' not in packed['data_samples']


def test_a_resize_takes_them_along():
    packed = run(inside(), dict(type='MarkMargins', **MARGINS), dict(type='Resize', scale=(80, 40)))
    mask = packed['data_samples'].valid_mask.data[0]
    assert mask.shape == (40, 80)
    assert mask[4:30, 6:74].all()
    assert mask.sum() == 26 * 68


def test_a_share_is_of_its_side():
    share = dict(top=0.1, bottom=0.25, left=0.05, right=0.0)
    packed = run(inside(2, 5, 2, 0), dict(type='MarkMargins', **share))
    assert packed['data_samples'].valid_mask.data[0].equal(packed['inputs'][0] == 255)


@pytest.mark.parametrize('seed', range(8))
def test_what_padding_adds_is_not_valid_wherever_it_ends_up(seed):
    np.random.seed(seed)
    packed = run(
        inside(),
        dict(type='MarkMargins', **MARGINS),
        dict(type='PadWithMarks', size=(64, 36), pad_val=dict(img=0)),
        dict(type='RandomCrop', crop_size=(32, 60)),
        dict(type='RandomFlip', prob=0.5, direction=['horizontal', 'vertical']),
    )
    mask = packed['data_samples'].valid_mask.data
    assert mask.shape == (1, 32, 60)
    assert mask[0].equal(packed['inputs'][0] == 255)
    assert mask.any()


def test_marks_and_labels_are_padded_each_with_its_own():
    labels = np.ones((HEIGHT, WIDTH), np.uint8)
    results = dict(img=inside(), img_shape=(HEIGHT, WIDTH), gt_seg_map=labels)
    results['seg_fields'] = ['gt_seg_map']
    results = TRANSFORMS.build(dict(type='MarkMargins', **MARGINS))(results)
    pad = dict(type='PadWithMarks', size=(48, 24), pad_val=dict(img=0, seg=255))
    results = TRANSFORMS.build(pad)(results)
    assert results['gt_seg_map'].shape == results['valid_mask'].shape == (24, 48)
    assert (results['gt_seg_map'] == 255).sum() == 24 * 48 - HEIGHT * WIDTH
    assert np.array_equal(results['valid_mask'], results['img'][..., 0] // 255)


def test_padding_without_marks_is_mmcvs():
    pad = dict(size=(48, 24), pad_val=dict(img=7))
    ours, theirs = (run(inside(), dict(type=t, **pad)) for t in ('PadWithMarks', 'Pad'))
    assert ours['inputs'].equal(theirs['inputs'])


def test_marks_that_were_not_padded_are_told():
    with pytest.raises(UserError, match=r'image is 24 x 48, but its marks are 20 x 40.*PadWithM'):
        run(inside(), dict(type='MarkMargins'), dict(type='Pad', size=(48, 24)))


def test_without_marks_it_packs_as_mmseg():
    assert 'valid_mask' not in run(inside())['data_samples']


@pytest.mark.parametrize(
    ('margins', 'said'),
    [
        (dict(top=-1), 'top is -1'),
        (dict(left=1.0), 'left is 1.0, but has to be a whole number'),
        (dict(right='3'), "right is '3'"),
        (dict(bottom=True), 'bottom is True'),
    ],
)
def test_a_wrong_margin_is_told(margins, said):
    with pytest.raises(UserError, match=said):
        TRANSFORMS.build(dict(type='MarkMargins', **margins))


def test_an_image_without_an_inside_is_told():
    with pytest.raises(UserError, match='is 20 x 40 where MarkMargins stands, and nothing is left'):
        run(inside(), dict(type='MarkMargins', top=10, bottom=10))
