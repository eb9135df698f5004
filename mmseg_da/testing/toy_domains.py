"""Two toy domains on disk, in the layouts of GTA5 and Cityscapes."""

import json
import tempfile
from pathlib import Path

from PIL import Image

from mmseg_da.datasets.conversion import convert_cityscapes, convert_gta
from mmseg_da.datasets.parallel import progress
from mmseg_da.errors import UserError
from mmseg_da.testing.toy_canvas import Style, id_palette
from mmseg_da.testing.toy_scenes import CAMERA, GAME, render

_VERSION = 1  # raise when the same settings draw other pixels
_SETTINGS = 'toy.json'


def make_toy_domains(
    out: str | Path, train: int = 200, val: int = 60, seed: int = 0, show_progress: bool = False
) -> bool:
    """Draw two domains of street scenes with labels of 10 of the 19 Cityscapes classes.

    ``OUT/gta`` is sunny and synthetic, with ``train`` frames in ``train.txt`` and a fifth as many
    in ``val.txt``. ``OUT/cityscapes`` is hazy and noisy, with ``train`` frames of the city toyburg
    and ``val`` of toyville. All are 192x96. An image depends on the seed and its number alone, not
    on how many there are. The folder appears under its name when it is complete.

    Args:
        out: Folder to write; an older one of this function is replaced.
        train: Number of training images of each domain.
        val: Number of validation images of the target domain.
        show_progress: Show a bar on stderr.

    Returns:
        Whether it was drawn; False if it was there with the same settings.

    Raises:
        UserError: ``out`` exists and is something else, or a count is below 1.
    """
    out = Path(out).absolute()
    if min(train, val) < 1:
        raise UserError(f'toy domains need at least one image per split, not {min(train, val)}')
    settings = {'version': _VERSION, 'seed': seed, 'train': train, 'val': val}
    if _is_complete(out, settings):
        return False
    _refuse_foreign(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{out.name}-', dir=out.parent) as work:
        new = Path(work) / 'new'
        new.mkdir()  # with the usual permissions, unlike the temporary folder itself
        _draw(new, train, val, seed, show_progress)
        (new / _SETTINGS).write_text(json.dumps(settings) + '\n')
        if out.exists():
            out.rename(Path(work) / 'old')
        new.rename(out)
    return True


def _source_val(train: int) -> int:
    return max(train // 5, 1)


def _is_complete(out: Path, settings: dict) -> bool:
    try:
        if json.loads((out / _SETTINGS).read_text()) != settings:
            return False
    except (OSError, ValueError):
        return False
    train, val = settings['train'], settings['val']
    images = train + _source_val(train) + train + val
    return len(list(out.rglob('*.png'))) == 3 * images  # each with its ids and train ids


def _refuse_foreign(out: Path) -> None:
    if not out.exists() or (out / _SETTINGS).is_file():
        return
    if not out.is_dir() or any(out.iterdir()):
        raise UserError(
            f'{out} exists and was not made by this tool (it has no {_SETTINGS}): '
            'give another folder, or delete it'
        )


def _draw(out: Path, train: int, val: int, seed: int, show_progress: bool) -> None:
    jobs = [_gta_frame(number) for number in range(train + _source_val(train))]
    jobs += [_city_frame('train', 'toyburg', number) for number in range(train)]
    jobs += [_city_frame('val', 'toyville', number) for number in range(val)]
    for style, numbers, image, label in progress(jobs, 'Toy scenes', show_progress):
        _write_scene(style, (seed, *numbers), out / image, out / label)
    convert_gta(out / 'gta', val=_source_val(train), show_progress=show_progress)
    convert_cityscapes(out / 'cityscapes', show_progress=show_progress)


def _gta_frame(number: int) -> tuple[Style, tuple[int, int], str, str]:
    """Style, seed, image file and label file of one source frame."""
    name = f'{number + 1:05d}.png'
    return GAME, (0, number), f'gta/images/{name}', f'gta/labels/{name}'


def _city_frame(split: str, city: str, number: int) -> tuple[Style, tuple[int, int], str, str]:
    """Style, seed, image file and label file of one target frame."""
    name = f'{split}/{city}/{city}_{number:06d}_000019'
    image = f'cityscapes/leftImg8bit/{name}_leftImg8bit.png'
    label = f'cityscapes/gtFine/{name}_gtFine_labelIds.png'
    return CAMERA, (1 if split == 'train' else 2, number), image, label


def _write_scene(style: Style, seed: tuple[int, ...], image: Path, label: Path) -> None:
    pixels, ids = render(style, seed)
    image.parent.mkdir(parents=True, exist_ok=True)
    label.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(image)
    ids_image = Image.fromarray(ids)
    if style is GAME:  # GTA5 ships its ids as indices of a palette
        ids_image.putpalette(id_palette())
    ids_image.save(label)
