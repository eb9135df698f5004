"""Folders of pictures: which there are, reading them as RGB, writing them."""

import os
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mmseg_da.errors import UserError

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.ppm', '.tif', '.tiff', '.webp')
OUTPUT_SUFFIXES = ('.png', '.jpg', '.jpeg')

_WITHOUT_COLOUR = ('1', 'L', 'P', 'CMYK', 'YCbCr', 'HSV', 'LAB')
_WITH_ALPHA = ('LA', 'La', 'PA', 'RGBA', 'RGBa')
CONVERTED = 'were not RGB (grey, palette, CMYK) and were converted'
ALPHA_DROPPED = 'had an alpha channel, which was dropped'


def files_below(folder: Path) -> list[Path]:
    """The files below a folder, relative to it, by name; links are followed, hidden ones left out."""
    found = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        here = os.path.realpath(parent)
        folders[:] = [
            name
            for name in sorted(folders)
            if not name.startswith('.') and not _holds(os.path.realpath(f'{parent}/{name}'), here)
        ]
        found += [Path(parent, name).relative_to(folder) for name in files if name[0] != '.']
    return sorted(found)


def _holds(folder: str, inner: str) -> bool:
    """Whether a link leads back up, which would never end."""
    return Path(inner).is_relative_to(folder)


def find_pictures(folder: Path, without: Path | None = None) -> list[Path]:
    """The pictures below a folder, relative to it.

    Args:
        folder: Where to look, folders in it included.
        without: A folder whose pictures are left out.

    Raises:
        UserError: There is no picture in it.
    """
    found = [
        name
        for name in files_below(folder)
        if name.suffix.lower() in SUFFIXES
        and not (without and (folder / name).is_relative_to(without))
    ]
    if not found:
        raise UserError(f'{folder}: holds no image ({", ".join(SUFFIXES)})')
    return found


def output_names(pictures: Iterable[Path], suffix: str | None = None) -> dict[Path, Path]:
    """The file that each picture is written to.

    Args:
        pictures: Relative paths.
        suffix: Of all outputs; ``None`` keeps .png, .jpg and .jpeg, and makes others .png.

    Raises:
        UserError: Two pictures would be written to one file.
    """
    names: dict[Path, Path] = {}
    taken: dict[Path, Path] = {}
    for picture in pictures:
        keeps = suffix is None and picture.suffix.lower() in OUTPUT_SUFFIXES
        name = picture if keeps else picture.with_suffix(suffix or '.png')
        if name in taken:
            raise UserError(
                f'{taken[name]} and {picture} would both be written to {name}: keep one of them'
            )
        names[picture], taken[name] = name, picture
    return names


def read_rgb(path: Path) -> tuple[np.ndarray, str | None]:
    """Read a picture as a training does: in colour and turned as its EXIF data says.

    Returns:
        RGB pixels (H, W, 3), uint8, and what had to be changed, if so: ``CONVERTED`` or
        ``ALPHA_DROPPED``.

    Raises:
        ValueError: The file is damaged or no picture, or has more than 8 bits.
    """
    try:
        content = path.read_bytes()
        with Image.open(BytesIO(content)) as picture:
            picture.verify()  # checksums, which decoding does not look at
        with Image.open(BytesIO(content)) as picture:
            bits = _more_than_8_bits(picture, content)
            if not bits:
                picture.load()
                alpha = picture.mode in _WITH_ALPHA or 'transparency' in picture.info
                grey = picture.mode in _WITHOUT_COLOUR
                pixels = np.asarray(ImageOps.exif_transpose(picture).convert('RGB'))
    except UnidentifiedImageError as error:
        raise ValueError('cannot be read (it is no picture)') from error
    except Exception as error:  # Pillow raises anything from OSError to struct.error
        raise ValueError(f'cannot be read ({" ".join(str(error).split())[:200]})') from error
    if bits:
        raise ValueError('has 16 bits or more per channel: convert it to 8 bits first')
    return pixels, ALPHA_DROPPED if alpha else CONVERTED if grey else None


def _more_than_8_bits(picture: Image.Image, content: bytes) -> bool:
    """Whether Pillow would cut bits off, which it does to colours without a word."""
    if picture.format == 'PNG':
        return content[24] > 8  # the depth in its header
    raw = ' '.join(str(tile[3]) for tile in picture.tile)
    return picture.mode[0] in 'IF' or ';16' in raw


def encode_rgb(pixels: np.ndarray, suffix: str) -> bytes:
    """RGB pixels (H, W, 3), uint8, as the content of a PNG, or of a JPEG at quality 95, 4:4:4."""
    content = BytesIO()
    if suffix.lower() == '.png':
        Image.fromarray(pixels).save(content, 'PNG')
    else:
        Image.fromarray(pixels).save(content, 'JPEG', quality=95, subsampling=0)
    return content.getvalue()


def lists_of(folder: Path, pictures: Iterable[Path]) -> list[Path]:
    """The lists in a folder (``train.txt``) of which the first line begins one of these names."""
    names = '\n'.join(f'/{picture.as_posix()}' for picture in pictures)
    return [path for path in sorted(folder.glob('*.txt')) if _names_one(path, names)]


def _names_one(path: Path, names: str) -> bool:
    try:
        with path.open(encoding='utf-8') as lines:
            first = lines.readline(1000).strip()
    except (OSError, UnicodeDecodeError):
        return False
    return bool(first) and f'/{first}' in names


def tell_conversions(notices: Mapping[Path, str]) -> list[str]:
    """One sentence per kind of change, with a count and an example."""
    return [
        f'{len(paths)} images {kind}, e.g. {paths[0]}'
        for kind in dict.fromkeys(notices.values())
        if (paths := [path for path, each in notices.items() if each == kind])
    ]
