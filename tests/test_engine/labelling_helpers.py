"""A folder of small images, and a model of them that is a formula."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mmseg_da.datasets.one_domain import OneDomain
from mmseg_da.engine.label_rules import label_rule
from mmseg_da.engine.pseudo_labels import PseudoLabels

CLASSES, SIZE = ('road', 'sky', 'car'), (12, 20)
FDA = dict(type='class_share', keep=0.34, sure=0.9)
BALANCED = dict(type='class_balanced', keep=0.9)


def write_images(root: Path, count: int) -> None:
    """Images of both domains; the source's are not looked at."""
    rng = np.random.default_rng(0)
    for number in range(count):
        for name in (f'source/{number}.png', f'target/town{number % 2}/{number}.png'):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (*SIZE, 3), np.uint8)).save(path)


def images_of(root: Path) -> OneDomain:
    def domain(name):
        return dict(
            type='BaseSegDataset',
            data_root=str(root / name),
            data_prefix=dict(img_path=''),
            img_suffix='.png',
            metainfo=dict(classes=CLASSES, palette=[[9, 9, 9], [0, 0, 255], [255, 0, 0]]),
            pipeline=[dict(type='LoadImageFromFile'), dict(type='PackSegInputs')],
        )

    pair = dict(
        type='SourceTargetDataset', source=domain('source') | dict(lazy_init=True),
        target=domain('target'),
    )  # fmt: skip
    return OneDomain(pair, 'target')


def predict(sample: dict) -> torch.Tensor:
    """Classes of unequal shares, as sure as an image's pixels say."""
    scores = sample['inputs'].float() / 80
    scores[0] += 1.5
    return scores.softmax(dim=0)


def labels_of(root: Path, folder: Path, rule: dict = FDA, **others: object) -> PseudoLabels:
    """What labels the images below ``root``; ``others`` as arguments."""
    given = dict(
        predict=predict, num_classes=3, rule=label_rule(rule, 'test'), settings=dict(networks='x'),
        tell=lambda _: None, show_progress=False,
    )  # fmt: skip
    return PseudoLabels(folder, images_of(root), **given | others)


def written(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but logs and checkpoints."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file() and path.suffix in ('.png', '.json')
    }
