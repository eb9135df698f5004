"""Small folders in the layouts of GTA5, SYNTHIA, Cityscapes and the cross-city set."""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mmseg_da.datasets import conversion

# Written out from the data sets' own tables: class, train id, Cityscapes' id, SYNTHIA's id.
TABLE = """
    road 0 7 3, sidewalk 1 8 4, building 2 11 2, wall 3 12 21, fence 4 13 5, pole 5 17 7,
    traffic-light 6 19 15, traffic-sign 7 20 9, vegetation 8 21 6, terrain 9 22 16, sky 10 23 1,
    person 11 24 10, rider 12 25 17, car 13 26 8, truck 14 27 18, bus 15 28 19, train 16 31 20,
    motorcycle 17 32 12, bicycle 18 33 11"""
ROWS = [row.split() for row in TABLE.split(',')]
CLASSES = [row[0].replace('-', ' ') for row in ROWS]
CITYSCAPES_ID = {int(row[1]): int(row[2]) for row in ROWS}
SYNTHIA_ID = {int(row[1]): int(row[3]) for row in ROWS}
ABSENT_16 = ('terrain', 'truck', 'train')
ABSENT_13 = (*ABSENT_16, 'wall', 'fence', 'pole')
CLASSES_16 = [name for name in CLASSES if name not in ABSENT_16]
CLASSES_13 = [name for name in CLASSES if name not in ABSENT_13]


def png16(rgb: np.ndarray) -> bytes:
    """A PNG of three 16-bit channels, put together by hand: big-endian, red first."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
        )

    height, width, _ = rgb.shape
    header = struct.pack('>IIBBBBB', width, height, 16, 2, 0, 0, 0)
    rows = b''.join(b'\0' + row.astype('>u2').tobytes() for row in rgb)
    body = chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')
    return b'\x89PNG\r\n\x1a\n' + body


def save(path: Path, pixels: np.ndarray) -> None:
    """Write an 8-bit picture and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.uint8(pixels)).save(path)


def save_ids(path: Path, ids: np.ndarray) -> None:
    """Write ids as a grey picture."""
    save(path, ids)


def save_synthia(path: Path, ids: np.ndarray) -> None:
    """Write ids as SYNTHIA does, with instances above 255 in the green channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    instances = 256 + np.arange(ids.size).reshape(ids.shape)
    path.write_bytes(png16(np.stack([ids, instances, instances * 0 + 65535], axis=-1)))


def picture(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Colours of noise, (H, W, 3)."""
    return np.random.default_rng(seed).integers(256, size=(*shape, 3), dtype=np.uint8)


@dataclass(frozen=True)
class Layout:
    """Where a data set keeps what, and how its labels are stored and converted.

    ``image``, ``label`` and ``output`` are names with a place for the number of the frame, and
    ``listed`` is its line in the list ``split``.
    """

    tool: str
    convert: Callable[..., int]
    image: str
    label: str
    output: str
    split: str
    listed: str
    max_id: int
    id_of: dict[int, int]
    save: Callable[[Path, np.ndarray], None] = save_ids

    def write(self, root: Path, count: int, shape: tuple[int, int] = (4, 6)) -> list[np.ndarray]:
        """Write frames with every class and some ids of none; gives their train ids."""
        expected = []
        for number in range(count):
            train_ids = np.random.default_rng(number).choice([*range(19), 255], size=shape)
            ids = np.array([[self.id_of.get(each, 0) for each in row] for row in train_ids])
            self.save(root / self.label.format(number), ids)
            save(root / self.image.format(number), picture(shape, number))
            expected.append(train_ids)
        return expected

    def read(self, root: Path, number: int) -> np.ndarray:
        """The converted label of a frame."""
        with Image.open(root / self.output.format(number)) as image:
            assert image.mode == 'L'
            return np.asarray(image)

    def outputs(self, root: Path) -> dict[str, bytes]:
        """Content of every converted label and list."""
        found = [*root.rglob('*_labelTrainIds.png'), *root.glob('*.txt')]
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(found)}


LAYOUTS = dict(
    gta=Layout(
        'gta.py', conversion.convert_gta,
        'images/{:05d}.png', 'labels/{:05d}.png', 'labels/{:05d}_labelTrainIds.png',
        'train', '{:05d}', 34, CITYSCAPES_ID,
    ),
    synthia=Layout(
        'synthia.py', conversion.convert_synthia,
        'RGB/{:07d}.png', 'GT/LABELS/{:07d}.png', 'GT/LABELS/{:07d}_labelTrainIds.png',
        'train', '{:07d}', 22, SYNTHIA_ID, save_synthia,
    ),
    cityscapes=Layout(
        'cityscapes.py', conversion.convert_cityscapes,
        'leftImg8bit/train/a/a_{:06d}_000019_leftImg8bit.png',
        'gtFine/train/a/a_{:06d}_000019_gtFine_labelIds.png',
        'gtFine/train/a/a_{:06d}_000019_gtFine_labelTrainIds.png',
        'train', 'a/a_{:06d}_000019', 33, CITYSCAPES_ID,
    ),
    crosscity=Layout(
        'crosscity.py', conversion.convert_cross_city,
        'Rome/Images/Test/pano_{:05d}.png', 'Rome/Labels/Test/pano_{:05d}_eval.png',
        'Rome/Labels/Test/pano_{:05d}_labelTrainIds.png',
        'Rome', 'pano_{:05d}', 33, CITYSCAPES_ID,
    ),
)  # fmt: skip
