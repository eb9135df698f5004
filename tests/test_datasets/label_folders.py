"""Small folders of images and labels, and the datasets on them."""

from pathlib import Path

import numpy as np
from mmengine.registry import init_default_scope
from PIL import Image

from mmseg_da.registry import DATASETS

CLASSES = ('road', 'sky', 'car', 'lamp')
LOAD, LABEL, PACK = (
    dict(type=t) for t in ('LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs')
)


def write_label(root: Path, name: str, ids: np.ndarray) -> Path:
    """Write a label and an image whose red channel is the label, too, so that crops are seen."""
    ids = np.uint8(ids)
    for kind, pixels in (('labels', ids), ('images', np.stack([ids] * 3, axis=-1))):
        path = root / kind / f'{name}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return root / 'labels' / f'{name}.png'


def config(root: Path, classes=CLASSES, pipeline=(LOAD, LABEL, PACK), **options) -> dict:
    """The config of a folder that :func:`write_label` has filled."""
    return (
        dict(
            type='BaseSegDataset',
            data_root=str(root),
            data_prefix=dict(img_path='images', seg_map_path='labels'),
            img_suffix='.png',
            metainfo=dict(classes=classes),
            pipeline=list(pipeline),
        )
        | options
    )


def target_config(root: Path, num: int = 5, classes=CLASSES) -> dict:
    """A target without labels."""
    for number in range(num):
        path = root / f'images/{number:03d}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(path)
    prefix = dict(img_path='images')
    return config(root, classes, (LOAD, PACK), data_prefix=prefix)


def build(cfg: dict):
    """Build a dataset."""
    init_default_scope('mmseg')
    return DATASETS.build(cfg)


def random_labels(count: int, shape=(12, 16), num_classes=4, seed=0) -> list[np.ndarray]:
    """Labels with every class and some ignored pixels."""
    rng = np.random.default_rng(seed)
    return [rng.choice([*range(num_classes), 255], size=shape) for _ in range(count)]
