"""Label images that hold class ids, turned into label images of train ids."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mmseg_da.datasets.outputs import require_writable, write_atomically
from mmseg_da.datasets.parallel import in_parallel, progress
from mmseg_da.errors import UserError

IGNORE_ID = 255
TRAIN_SUFFIX = '_labelTrainIds.png'


@dataclass(frozen=True)
class Encoding:
    """How the labels of a data set are stored, and what they mean.

    Args:
        read: Reads a file as class ids, (H, W), unsigned. Raises ValueError for another kind of
            file.
        ids: The class id of each train id, in train id order. All others become 255.
        max_id: Largest class id that may occur.
        void: One id above ``max_id`` that may occur too.
    """

    read: Callable[[Path], np.ndarray]
    ids: tuple[int, ...]
    max_id: int
    void: int | None = None

    def to_train_ids(self, ids: np.ndarray) -> np.ndarray:
        """Map class ids to train ids; ids without one become 255.

        Args:
            ids: Class ids 0..255, unsigned integers, any shape.

        Returns:
            Train ids or 255, uint8, of the same shape.
        """
        table = np.full(256, IGNORE_ID, np.uint8)
        table[list(self.ids)] = np.arange(len(self.ids))
        return table[ids]

    def check(self, ids: np.ndarray) -> None:
        """See that every id may occur.

        Raises:
            ValueError: One may not.
        """
        wrong = ids > self.max_id
        if self.void is not None:
            wrong &= ids != self.void
        if wrong.any():
            allowed = f'0..{self.max_id}' + (f' and {self.void}' if self.void is not None else '')
            raise ValueError(f'holds id {ids[wrong].max()}, outside {allowed}')


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


@contextmanager
def _open(file: Path | BytesIO, problem: str) -> Iterator[Image.Image]:
    try:
        with Image.open(file) as image:
            yield image
    except FileNotFoundError:
        raise
    except Exception as error:  # a broken PNG raises anything from OSError to struct.error
        raise ValueError(f'{problem} ({error})') from error


def _sound_png(path: Path) -> BytesIO:
    """The content of a file whose checksums are right: decoders pass over what is missing."""
    content = BytesIO(path.read_bytes())
    with _open(content, 'cannot be read') as image:
        image.verify()
    return content


def read_indices(path: Path) -> np.ndarray:
    """Read a grey or palette image as ids.

    A palette image is read as its indices, which are the ids: its colours are for viewing only.

    Args:
        path: PNG of mode L or P.

    Returns:
        Ids, uint8, (H, W).

    Raises:
        ValueError: The file cannot be read, or holds colours.
    """
    with _open(_sound_png(path), 'cannot be read') as image:
        mode, ids = image.mode, np.asarray(image)
    if mode == '1':
        raise ValueError(
            'has 1 bit per pixel, which is read in several ways: save it with 8 bits per pixel'
        )
    if mode not in ('L', 'P'):
        raise ValueError(f'holds {mode} colours instead of one id per pixel')
    return ids


def read_red_16bit(path: Path) -> np.ndarray:
    """Read the red channel of a PNG of three 16-bit channels, which is the last one in OpenCV.

    Pillow keeps the high byte of such numbers alone, which is zero for every class, and so does
    OpenCV without ``IMREAD_UNCHANGED``.

    Args:
        path: PNG of 16 bits per channel, RGB.

    Returns:
        Ids, uint16, (H, W).

    Raises:
        ValueError: The file cannot be read, or is of another kind.
    """
    content = _sound_png(path).getbuffer()
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError('cannot be read (OpenCV cannot decode it)')
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if channels != 3 or pixels.dtype != np.uint16:
        bits = 8 * pixels.dtype.itemsize
        raise ValueError(f'holds {channels}x{bits} bits per pixel instead of 3x16')
    return pixels[..., 2]


def _check_size(shape: tuple[int, ...], image_path: Path) -> None:
    try:
        with _open(image_path, f'its image {image_path} cannot be read') as image:
            width, height = image.size
    except FileNotFoundError:
        return  # labels may be converted before the images are there
    if shape != (height, width):
        raise ValueError(
            f'is {shape[1]}x{shape[0]}, but its image {image_path} is {width}x{height}'
        )


def _up_to_date(label: Label) -> bool:
    if not label.output.is_file():
        return False
    return label.output.stat().st_mtime >= label.source.stat().st_mtime


def convert_label(label: Label, encoding: Encoding) -> str | None:
    """Write the train ids of one label, unless they are there and not older than the label.

    Returns:
        What is wrong with the label, or None. A bad label has no output, not even an old one.
    """
    try:
        if _up_to_date(label):
            return None
        ids = encoding.read(label.source)
        encoding.check(ids)
        _check_size(ids.shape, label.image)
        label.output.parent.mkdir(parents=True, exist_ok=True)
        png = BytesIO()
        Image.fromarray(encoding.to_train_ids(ids)).save(png, 'PNG')
        write_atomically(label.output, png.getvalue())
    except ValueError as error:
        label.output.unlink(missing_ok=True)
        return str(error)
    except OSError as error:
        return f'cannot be converted ({error})'
    return None


def convert_labels(
    labels: Sequence[Label],
    out: Path,
    encoding: Encoding,
    nproc: int = 1,
    show_progress: bool = True,
) -> int:
    """Convert labels and write one list of the good ones per split, ``OUT/{split}.txt``.

    Labels whose output is there and not older than themselves are skipped, so that a killed run
    goes on where it stopped.

    Args:
        nproc: Number of processes.
        show_progress: Show a bar on stderr.

    Returns:
        The number of labels.

    Raises:
        UserError: ``out`` cannot be written to. Some labels are bad; names every one, after all
            others have been converted.
    """
    require_writable(out, 'output folder')
    task = partial(convert_label, encoding=encoding)
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
