"""All data sets of the full-size configs in their own layouts, with images an eighth as large."""

import os
from pathlib import Path

import numpy as np
from street_data import LAYOUTS, picture, save

SHAPES = dict(  # the original ones divided by 8
    gta=(132, 239), synthia=(95, 160), cityscapes=(128, 256), crosscity=(128, 256)
)
VOC_SHAPE, VOC_CLASSES = (47, 62), 21
NIGHT_SHAPE = (135, 240)  # ACDC and Dark Zurich
CONDITIONS = ('fog', 'night', 'rain', 'snow')


def scene(shape: tuple[int, int], seed: int, classes: int = 19, void: int = 255) -> np.ndarray:
    """Train ids (H, W) in two rows of squares, each of the next class, and some pixels of none."""
    height, width = shape
    side = -(-height // 2)
    columns = -(-width // side)
    order = np.random.default_rng(seed).permutation(2 * columns) + seed * 2 * columns
    ids = np.kron(order.reshape(2, columns) % classes, np.ones((side, side), int))
    ids = ids[:height, :width]
    ids[:2, :2] = void
    return ids


def write(root: Path, images: int = 4) -> None:
    """Write every data set, as it is after its converter has run.

    Args:
        root: What ``MMSEG_DA_DATA`` is going to name.
        images: How many there are for a training on one data set.
    """
    for name in SHAPES:
        _write_labelled(root / name, name, images)
    for number in range(2):
        image = f'leftImg8bit/val/b/b_{number:06d}_000019_leftImg8bit.png'
        label = f'gtFine/val/b/b_{number:06d}_000019_gtFine_labelTrainIds.png'
        _pair(root / 'cityscapes', image, label, SHAPES['cityscapes'], number)
        shape = SHAPES['crosscity']
        save(root / f'crosscity/Rome/Images/Train/pano_{number}.png', picture(shape, number))
    _write_night(root)
    _write_voc(root / 'VOCdevkit/VOC2012')


def _write_labelled(root: Path, name: str, images: int) -> None:
    layout, shape = LAYOUTS[name], SHAPES[name]
    for number in range(images):
        ids = scene(shape, number)
        stored = np.vectorize(lambda each: layout.id_of.get(each, 0))(ids)
        layout.save(root / layout.label.format(number), stored)
        save(root / layout.image.format(number), picture(shape, number))
    layout.convert(root, show_progress=False)


def _write_night(root: Path) -> None:
    """ACDC and Dark Zurich, which come with train ids."""
    for split in ('train', 'val'):
        for number, condition in enumerate(CONDITIONS):
            name = f'{condition}/{split}/GOPR0475/GOPR0475_frame_00000{number}'
            image, label = f'rgb_anon/{name}_rgb_anon.png', f'gt/{name}_gt_labelTrainIds.png'
            _pair(root / 'acdc', image, label, NIGHT_SHAPE, number)
        for number in range(2):
            name = f'{split}/night/GOPR0351/GOPR0351_frame_00000{number}'
            image, label = f'rgb_anon/{name}_rgb_anon.png', f'gt/{name}_gt_labelTrainIds.png'
            _pair(root / 'dark_zurich', image, label, NIGHT_SHAPE, number)


def _write_voc(root: Path) -> None:
    for split, numbers in dict(train=range(8), val=range(8, 10)).items():
        for number in numbers:
            image = f'JPEGImages/2007_{number:06d}.jpg'
            label = f'SegmentationClass/2007_{number:06d}.png'
            _pair(root, image, label, VOC_SHAPE, number, VOC_CLASSES)
        listed = root / f'ImageSets/Segmentation/{split}.txt'
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text(''.join(f'2007_{number:06d}\n' for number in numbers))


def _pair(
    root: Path, image: str, label: str, shape: tuple[int, int], seed: int, classes: int = 19
) -> None:
    save(root / image, picture(shape, seed))
    save(root / label, scene(shape, seed, classes))


def repeat_cityscapes(root: Path, other: Path, images: int) -> None:
    """The same data sets in another folder, with more training images of Cityscapes.

    Args:
        root: What :func:`write` has written.
        other: The new folder.
        images: How many; they have names of their own and pixels of the others.
    """
    other.mkdir()
    for each in root.iterdir():
        if each.name != 'cityscapes':
            (other / each.name).symlink_to(each)
    cityscapes = root / 'cityscapes'
    for folder in ('leftImg8bit', 'gtFine'):
        (other / 'cityscapes' / folder).mkdir(parents=True)
        (other / 'cityscapes' / folder / 'val').symlink_to(cityscapes / folder / 'val')
    layout = LAYOUTS['cityscapes']
    there = len(list(cityscapes.glob('leftImg8bit/train/*/*.png')))
    for number in range(images):
        for name in (layout.image, layout.output):
            path = other / 'cityscapes' / name.format(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(cityscapes / name.format(number % there), path)


TRUE_SHAPES = dict(  # of the published images
    gta=(1052, 1914), synthia=(760, 1280), cityscapes=(1024, 2048), crosscity=(1024, 2048)
)
TRUE_NIGHT, TRUE_VOC = (1080, 1920), (375, 500)


def write_true_sizes(root: Path) -> None:
    """Write one training image of each data set, of one colour and class, as large as it is published.

    Args:
        root: What ``MMSEG_DA_DATA`` is going to name.
    """
    for name, shape in TRUE_SHAPES.items():
        layout = LAYOUTS[name]
        image = 'Rome/Images/Train/a.png' if name == 'crosscity' else layout.image.format(0)
        _blank(root / name, image, layout.output.format(0), shape)
    for condition in CONDITIONS:
        image, label = 'rgb_anon/{}_rgb_anon.png', 'gt/{}_gt_labelTrainIds.png'
        names = (each.format(f'{condition}/train/a/a') for each in (image, label))
        _blank(root / 'acdc', *names, TRUE_NIGHT)
    _blank(root / 'dark_zurich', image.format('train/night/a'), 'gt/a.png', TRUE_NIGHT)
    voc = root / 'VOCdevkit/VOC2012'
    _blank(voc, 'JPEGImages/a.jpg', 'SegmentationClass/a.png', TRUE_VOC)
    (voc / 'ImageSets/Segmentation').mkdir(parents=True)
    (voc / 'ImageSets/Segmentation/train.txt').write_text('a\n')


def _blank(root: Path, image: str, label: str, shape: tuple[int, int]) -> None:
    save(root / image, np.zeros((*shape, 3)))
    save(root / label, np.zeros(shape))
