"""Labels of GTA5, SYNTHIA, Cityscapes and the cross-city set, as they are shipped, to train ids."""

from pathlib import Path

import numpy as np

from mmseg_da.datasets.label_files import (
    TRAIN_SUFFIX,
    Encoding,
    Label,
    convert_labels,
    read_indices,
    read_red_16bit,
)
from mmseg_da.errors import UserError

# Cityscapes label id of each of the 19 train ids, in train id order.
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
# The same for SYNTHIA. Terrain (16), truck (18) and train (20) have ids but no pixels.
SYNTHIA_IDS = (3, 4, 2, 21, 5, 7, 15, 9, 6, 16, 1, 10, 17, 8, 18, 19, 20, 12, 11)

CITYSCAPES = Encoding(read_indices, LABEL_IDS, max_id=33)
# One id more than Cityscapes' labels: 34, licence plates, ignored.
GTA = Encoding(read_indices, LABEL_IDS, max_id=34)
SYNTHIA = Encoding(read_red_16bit, SYNTHIA_IDS, max_id=22)
CROSS_CITY = Encoding(read_indices, LABEL_IDS, max_id=33, void=255)

GTA_LAYOUT = """\
    {root}/images/00001.png ...
    {root}/{gt_dir}/00001.png ..."""
SYNTHIA_LAYOUT = """\
    {root}/RGB/0000000.png ...
    {root}/{gt_dir}/0000000.png ..."""
CITYSCAPES_LAYOUT = """\
    {root}/leftImg8bit/{{train,val}}/CITY/CITY_000000_000019_leftImg8bit.png ...
    {root}/{gt_dir}/{{train,val}}/CITY/CITY_000000_000019_{gt_dir}_labelIds.png ..."""
CROSS_CITY_LAYOUT = """\
    {root}/CITY/Images/Test/X.png ... or X.jpg
    {root}/CITY/{gt_dir}/Test/X_eval.png ..."""


def to_train_ids(label_ids: np.ndarray) -> np.ndarray:
    """Map Cityscapes label ids to train ids; ids outside the 19 classes become 255.

    Args:
        label_ids: Ids 0..255, uint8, any shape.

    Returns:
        Train ids 0..18 or 255, uint8, of the same shape.
    """
    return CITYSCAPES.to_train_ids(label_ids)


def _find_labels(folder: Path, pattern: str, layout: str) -> list[Path]:
    found = sorted(folder.glob(pattern))
    labels = [path for path in found if not path.name.endswith(TRAIN_SUFFIX)]
    if not labels:
        problem = f'no labels in {folder}' if folder.is_dir() else f'no folder {folder}'
        raise UserError(f'{problem}; expected\n{layout}')
    return labels


def _frames(root: Path, images: str, gt_dir: str, out: Path, val: int, layout: str) -> list[Label]:
    """Labels that lie in one folder under the names of their images."""
    layout = layout.format(root=root, gt_dir=gt_dir)
    sources = _find_labels(root / gt_dir, '*.png', layout)
    first_val = len(sources) - val
    return [
        Label(
            source,
            root / images / source.name,
            out / gt_dir / f'{source.stem}{TRAIN_SUFFIX}',
            'train' if number < first_val else 'val',
            source.stem,
        )
        for number, source in enumerate(sources)
    ]


def convert_gta(
    root: str | Path,
    gt_dir: str = 'labels',
    out: str | Path | None = None,
    nproc: int = 1,
    val: int = 0,
    show_progress: bool = True,
) -> int:
    """Convert the labels of GTA5 (``labels/NNNNN.png``) to ``labels/NNNNN_labelTrainIds.png``.

    Args:
        root: Folder that holds ``images`` and ``gt_dir``.
        out: Where the new labels and lists go, in the same layout; ``root`` if None.
        nproc: Number of processes.
        val: How many frames, the last by name, go to ``val.txt`` instead of ``train.txt``.
        show_progress: Show a bar on stderr.

    Returns:
        The number of labels.

    Raises:
        UserError: A folder is missing, or some labels are bad (names every one).
    """
    root, out = Path(root), Path(out or root)
    labels = _frames(root, 'images', gt_dir, out, val, GTA_LAYOUT)
    return convert_labels(labels, out, GTA, nproc, show_progress)


def convert_synthia(
    root: str | Path,
    gt_dir: str = 'GT/LABELS',
    out: str | Path | None = None,
    nproc: int = 1,
    val: int = 0,
    show_progress: bool = True,
) -> int:
    """Convert SYNTHIA's ``GT/LABELS/NNNNNNN.png`` to ``GT/LABELS/NNNNNNN_labelTrainIds.png``.

    SYNTHIA-RAND-CITYSCAPES stores the class in the red channel of 16-bit RGB images and the
    instance in another channel.

    Args:
        root: Folder that holds ``RGB`` and ``gt_dir``.
        out: Where the new labels and lists go, in the same layout; ``root`` if None.
        nproc: Number of processes.
        val: How many frames, the last by name, go to ``val.txt`` instead of ``train.txt``.
        show_progress: Show a bar on stderr.

    Returns:
        The number of labels.

    Raises:
        UserError: A folder is missing, or some labels are bad (names every one).
    """
    root, out = Path(root), Path(out or root)
    labels = _frames(root, 'RGB', gt_dir, out, val, SYNTHIA_LAYOUT)
    return convert_labels(labels, out, SYNTHIA, nproc, show_progress)


def convert_cityscapes(
    root: str | Path,
    gt_dir: str = 'gtFine',
    out: str | Path | None = None,
    nproc: int = 1,
    show_progress: bool = True,
) -> int:
    """Convert ``*_labelIds.png`` of Cityscapes to ``*_labelTrainIds.png``; lists per split.

    Args:
        root: Folder that holds ``leftImg8bit`` and ``gt_dir``.
        out: Where the new labels and lists go, in the same layout; ``root`` if None.
        nproc: Number of processes.
        show_progress: Show a bar on stderr.

    Returns:
        The number of labels.

    Raises:
        UserError: A folder is missing, or some labels are bad (names every one).
    """
    root, out = Path(root), Path(out or root)
    labels = []
    layout = CITYSCAPES_LAYOUT.format(root=root, gt_dir=gt_dir)
    for source in _find_labels(root / gt_dir, '*/*/*_labelIds.png', layout):
        split, city = source.parts[-3:-1]
        name = f'{city}/{source.name.removesuffix(f"_{gt_dir}_labelIds.png")}'
        image = root / 'leftImg8bit' / split / f'{name}_leftImg8bit.png'
        output = out / gt_dir / split / city / source.name.replace('_labelIds.png', TRAIN_SUFFIX)
        labels.append(Label(source, image, output, split, name))
    return convert_labels(labels, out, CITYSCAPES, nproc, show_progress)


def convert_cross_city(
    root: str | Path,
    gt_dir: str = 'Labels',
    out: str | Path | None = None,
    nproc: int = 1,
    show_progress: bool = True,
) -> int:
    """Convert ``CITY/Labels/Test/X_eval.png`` to ``X_labelTrainIds.png``; one ``CITY.txt`` per city.

    Args:
        root: Folder that holds the cities.
        out: Where the new labels and lists go, in the same layout; ``root`` if None.
        nproc: Number of processes.
        show_progress: Show a bar on stderr.

    Returns:
        The number of labels.

    Raises:
        UserError: The folder holds no labels, or some labels are bad (names every one).
    """
    root, out = Path(root), Path(out or root)
    labels = []
    layout = CROSS_CITY_LAYOUT.format(root=root, gt_dir=gt_dir)
    for source in _find_labels(root, f'*/{gt_dir}/Test/*_eval.png', layout):
        city, name = source.relative_to(root).parts[0], source.name.removesuffix('_eval.png')
        image = root / city / 'Images' / 'Test' / f'{name}.png'
        if not image.is_file() and image.with_suffix('.jpg').is_file():
            image = image.with_suffix('.jpg')
        output = out / city / gt_dir / 'Test' / f'{name}{TRAIN_SUFFIX}'
        labels.append(Label(source, image, output, city, name))
    return convert_labels(labels, out, CROSS_CITY, nproc, show_progress)
