"""Label images with Cityscapes ids, as GTA5 and Cityscapes ship them, turned into train ids."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from mmseg_da.datasets.outputs import require_writable
from mmseg_da.datasets.parallel import in_parallel, progress
from mmseg_da.errors import UserError

IGNORE_ID = 255
TRAIN_SUFFIX = '_labelTrainIds.png'

# Cityscapes label id of each of the 19 train ids, in train id order.
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)

GTA_LAYOUT = """\
    {root}/images/00001.png ...
    {root}/{gt_dir}/00001.png ..."""
CITYSCAPES_LAYOUT = """\
    {root}/leftImg8bit/{{train,val}}/CITY/CITY_000000_000019_leftImg8bit.png ...
    {root}/{gt_dir}/{{train,val}}/CITY/CITY_000000_000019_{gt_dir}_labelIds.png ..."""


@dataclass(frozen=True)
class Label:
    """One label to convert: its own file, the image it belongs to and the file to write.

    Args:
        split: Name of the split list that holds it.
        name: Its line in that list: the image's path below the split, without the suffix.
    """

    source: Path
    image: Path
    output: Path
    split: str
    name: str


_TO_TRAIN = np.full(256, IGNORE_ID, np.uint8)
_TO_TRAIN[list(LABEL_IDS)] = np.arange(len(LABEL_IDS))


def to_train_ids(label_ids: np.ndarray) -> np.ndarray:
    """Map Cityscapes label ids to train ids; ids outside the 19 classes become 255.

    Args:
        label_ids: Ids 0..255, uint8, any shape.

    Returns:
        Train ids 0..18 or 255, uint8, of the same shape.
    """
    return _TO_TRAIN[label_ids]


def read_label_ids(path: Path, max_id: int) -> np.ndarray:
    """Read a grey or palette label image as ids.

    A palette image is read as its indices, which are the ids: its colours are for viewing only.

    Args:
        path: PNG of mode L or P.
        max_id: Largest id that may occur.

    Returns:
        Ids 0..max_id, uint8, (H, W).

    Raises:
        ValueError: The file cannot be read, holds colours, or holds a larger id.
    """
    try:
        with Image.open(path) as image:
            mode, ids = image.mode, np.asarray(image)
    except Exception as error:  # a broken PNG raises anything from OSError to struct.error
        raise ValueError(f'cannot be read ({error})') from error
    if mode not in ('L', 'P'):
        raise ValueError(f'holds {mode} colours instead of one id per pixel')
    if ids.size and ids.max() > max_id:
        raise ValueError(f'holds id {ids.max()}, outside 0..{max_id}')
    return ids


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a killed run leaves either all of it or nothing under its name."""
    part = path.with_name(path.name + '.part')
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _check_size(shape: tuple[int, ...], image_path: Path) -> None:
    try:
        with Image.open(image_path) as image:
            width, height = image.size
    except FileNotFoundError:
        return  # labels may be converted before the images are there
    except Exception as error:
        raise ValueError(f'its image {image_path} cannot be read ({error})') from error
    if shape != (height, width):
        raise ValueError(
            f'is {shape[1]}x{shape[0]}, but its image {image_path} is {width}x{height}'
        )


def _up_to_date(label: Label) -> bool:
    if not label.output.is_file():
        return False
    return label.output.stat().st_mtime >= label.source.stat().st_mtime


def convert_label(label: Label, max_id: int) -> str | None:
    """Write the train ids of one label, unless they are there and not older than the label.

    Returns:
        What is wrong with the label, or None. A bad label has no output, not even an old one.
    """
    try:
        if _up_to_date(label):
            return None
        ids = read_label_ids(label.source, max_id)
        _check_size(ids.shape, label.image)
        label.output.parent.mkdir(parents=True, exist_ok=True)
        png = BytesIO()
        Image.fromarray(to_train_ids(ids)).save(png, 'PNG')
        write_atomically(label.output, png.getvalue())
    except ValueError as error:
        label.output.unlink(missing_ok=True)
        return str(error)
    except OSError as error:
        return f'cannot be converted ({error})'
    return None


def convert_labels(
    labels: Sequence[Label], out: Path, max_id: int, nproc: int = 1, show_progress: bool = True
) -> int:
    """Convert labels and write one list of the good ones per split, ``OUT/{split}.txt``.

    Labels whose output is there and not older than themselves are skipped, so that a killed run
    goes on where it stopped.

    Args:
        max_id: Largest id that may occur in a label, 0..255.
        nproc: Number of processes.
        show_progress: Show a bar on stderr.

    Returns:
        The number of labels.

    Raises:
        UserError: ``out`` cannot be written to. Some labels are bad; names every one, after all
            others have been converted.
    """
    require_writable(out, 'output folder')
    task = partial(convert_label, max_id=max_id)
    found = in_parallel(task, labels, nproc)
    problems = list(progress(found, 'Labels to train ids', show_progress, len(labels)))
    _write_lists(labels, problems, out)
    bad = [(label, text) for label, text in zip(labels, problems, strict=True) if text]
    without_image = sum(not label.image.is_file() for label in labels)
    if without_image:
        print(f'{without_image} labels have no image beside them: their size was not checked')
    if bad:
        lines = '\n'.join(f'  {label.source} {text}' for label, text in bad)
        raise UserError(
            f'{len(bad)} of {len(labels)} labels were not converted and are not in the lists '
            f'{out}/*.txt; repair or delete them and run the same command again:\n{lines}'
        )
    return len(labels)


def _write_lists(labels: Sequence[Label], problems: Sequence[str | None], out: Path) -> None:
    lists: dict[str, list[str]] = {label.split: [] for label in labels}
    for label, problem in zip(labels, problems, strict=True):
        if not problem:
            lists[label.split].append(label.name)
    out.mkdir(parents=True, exist_ok=True)
    for split, names in lists.items():
        write_atomically(out / f'{split}.txt', ''.join(f'{name}\n' for name in names).encode())


def _find_labels(root: Path, gt_dir: str, pattern: str, layout: str) -> list[Path]:
    folder = root / gt_dir
    found = sorted(folder.glob(pattern))
    labels = [path for path in found if not path.name.endswith(TRAIN_SUFFIX)]
    if not labels:
        problem = f'no labels in {folder}' if folder.is_dir() else f'no folder {folder}'
        raise UserError(f'{problem}; expected\n{layout.format(root=root, gt_dir=gt_dir)}')
    return labels


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
    sources = _find_labels(root, gt_dir, '*.png', GTA_LAYOUT)
    first_val = len(sources) - val
    labels = [
        Label(
            source,
            root / 'images' / source.name,
            out / gt_dir / f'{source.stem}{TRAIN_SUFFIX}',
            'train' if number < first_val else 'val',
            source.stem,
        )
        for number, source in enumerate(sources)
    ]
    # GTA5 has one id more than Cityscapes' labels: 34, licence plates, ignored.
    return convert_labels(labels, out, 34, nproc, show_progress)


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
    for source in _find_labels(root, gt_dir, '*/*/*_labelIds.png', CITYSCAPES_LAYOUT):
        split, city = source.parts[-3:-1]
        name = f'{city}/{source.name.removesuffix(f"_{gt_dir}_labelIds.png")}'
        image = root / 'leftImg8bit' / split / f'{name}_leftImg8bit.png'
        output = out / gt_dir / split / city / source.name.replace('_labelIds.png', TRAIN_SUFFIX)
        labels.append(Label(source, image, output, split, name))
    return convert_labels(labels, out, 33, nproc, show_progress)
