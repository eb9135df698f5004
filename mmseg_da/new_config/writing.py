"""Writes a config that adapts a segmentor to data of one's own, with a comment at each choice."""

import colorsys
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jinja2
from mmengine.config import Config
from mmengine.runner import CheckpointLoader

from mmseg_da.datasets.outputs import write_atomically
from mmseg_da.engine.class_sets import classes_in
from mmseg_da.engine.launch import read_config
from mmseg_da.errors import UserError
from mmseg_da.new_config.folders import Folder

METHODS = {
    'source_only': 'no adaptation, to compare with',
    'adaptsegnet': 'a discriminator on the probabilities of both domains (docs/methods/adaptsegnet.md)',
    'advent': 'a discriminator on the self-information of both domains (docs/methods/advent.md)',
    'minent': 'the least entropy on the target (docs/methods/advent.md)',
    'fda': 'low frequencies of target images in source images (docs/methods/fda.md)',
    'dacs': 'self-training on images mixed of both domains (docs/methods/dacs.md)',
    'daformer': "DAFormer's terms: self-training and rare classes (docs/methods/daformer.md)",
    'mic': 'self-training on mixed and on masked images (docs/methods/mic.md)',
}
IMAGENET = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True)
_CROP, _STEP = 512, 32
_ENCODER_DECODERS = ('EncoderDecoder', 'mmseg.EncoderDecoder', 'HRDAEncoderDecoder')


@dataclass(frozen=True)
class Choices:
    """What the user asks for, beside the data.

    Attributes:
        classes: Names, in the order of their numbers.
        method: One of :data:`METHODS`.
        segmentor: File of an mmseg config whose model is adapted, or ``None`` for PSPNet.
        checkpoint: File of weights to start from, or ``None``.
        iters: Length of the training.
        batch: Images of each domain.
        crop: Height and width, or ``None`` to choose.
        workers: Processes that read images.
        zero_is_ignored: Labels count from 1, and 0 is no class.
    """

    classes: tuple[str, ...]
    method: str = 'dacs'
    segmentor: Path | None = None
    checkpoint: Path | None = None
    iters: int = 40000
    batch: int = 2
    crop: tuple[int, int] | None = None
    workers: int = 2
    zero_is_ignored: bool = False


def write_config(
    file: Path, source: Folder, target: Folder, val: Folder | None, choices: Choices
) -> str:
    """Write the config, whole or not at all, and read it as a training does.

    Args:
        file: Where to; what is there is replaced.
        source: Images and labels.
        target: Images.
        val: Images and labels of the target to score on, or ``None``.
        choices: What is asked for.

    Returns:
        The text.

    Raises:
        UserError: The segmentor or checkpoint cannot be used, crops are larger than the images, or
            the file cannot be written.
    """
    base = None if choices.segmentor is None else _segmentor(choices.segmentor)
    crop, why = _crop((source, target), choices.crop)
    whole = source.smallest == source.largest == target.smallest == target.largest == crop
    text = _environment().get_template('config.py.jinja')
    text = text.render(
        title=f'{choices.method}: {_named(source, target)} to {_named(target, source)}',
        file=file,
        stem=file.stem,
        base=choices.segmentor and str(choices.segmentor.absolute()),
        base_keys=set(base or ()),
        imports=_imports(base),
        classes=choices.classes,
        palette=_palette(len(choices.classes)),
        spans=dict(source=_span(source), target=_span(target)),
        crop=crop,
        crop_why=why,
        crops=not whole,
        source=source,
        target=target,
        val=val,
        method=choices.method,
        batch=choices.batch,
        workers=choices.workers,
        iters=choices.iters,
        warm_up=min(1500, choices.iters // 10),
        interval=max(1, choices.iters // 10),
        rare_pixels=max(1, crop[0] * crop[1] // 100),
        block=max(8, min(crop) // 16 // 8 * 8),
        reduce_zero_label=choices.zero_is_ignored,
        checkpoint=choices.checkpoint and str(choices.checkpoint.absolute()),
        surgery=choices.checkpoint and _surgery(choices.checkpoint, choices.classes),
        own_optimizer=bool(base and base.get('optim_wrapper')),
        **_heads(base, len(choices.classes)),
        **_look(base),
    )
    _require_valid(text, file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, text.encode())
    except OSError as error:
        raise UserError(f'{file}: cannot write the config: {error}') from None
    return text


def _require_valid(text: str, file: Path) -> None:
    """Read a config, as a training does, before it stands under its name."""
    with TemporaryDirectory() as folder:
        draft = Path(folder, file.name)
        draft.write_bytes(text.encode())
        try:
            Config.fromfile(draft)
        except Exception as error:  # a config is Python: anything may come
            raise UserError(
                f'{file}: what was to be written is not a valid config ({error}): nothing is '
                'written. Change names of classes or folders, or the --segmentor'
            ) from error


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(repr=_quoted, wrapped=_wrapped)
    return environment


def _segmentor(file: Path) -> Config:
    cfg = read_config(str(file), None)
    kind = (cfg.get('model') or {}).get('type')
    if kind not in _ENCODER_DECODERS:
        raise UserError(
            f'{file}: its model is {kind!r}, but --segmentor takes the config of a plain mmseg '
            'EncoderDecoder, which the new config adapts'
        )
    return cfg


def _imports(base: Config | None) -> list[str]:
    """The modules that register what the config names: those of the segmentor's, and ours."""
    theirs = ((base or {}).get('custom_imports') or {}).get('imports') or []
    theirs = [theirs] if isinstance(theirs, str) else theirs
    return [*(each for each in theirs if each != 'mmseg_da'), 'mmseg_da']


def _crop(folders: Sequence[Folder], asked: tuple[int, int] | None) -> tuple[tuple[int, int], str]:
    """Crops that fit into the images of both domains, and why these."""
    least = tuple(min(each.smallest[side] for each in folders) for side in range(2))
    if asked is not None:
        if any(a > b for a, b in zip(asked, least, strict=True)):
            raise UserError(
                f'--crop {asked[0]}x{asked[1]}: the smallest images are {least[0]} x {least[1]} '
                '(height x width): ask for less, or enlarge the images'
            )
        return asked, 'The crop is the one that was asked for.'
    crop = tuple(min(_CROP, side // _STEP * _STEP or side) for side in least)
    return crop, f'The crop fits into all of them, and is at most {_CROP} of either side.'


def _heads(base: Config | None, classes: int) -> dict[str, list[str]]:
    """Where the segmentor's config says its number of classes."""
    heads = list(_places(base.model)) if base else []
    binary = [at for at, head in heads if head.get('out_channels') not in (None, classes)]
    return dict(heads=[at for at, _ in heads], binary=binary)


def _places(model: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in ('decode_head', 'auxiliary_head'):
        head = model.get(name)
        if isinstance(head, Mapping):
            yield f'[{name!r}]', head
        elif head:
            yield from ((f'[{name!r}][{i}]', each) for i, each in enumerate(head))


def _look(base: Config | None) -> dict[str, Any]:
    """How images are normalised: as the segmentor's config does, or as for ImageNet."""
    given = ((base or {}).get('model') or {}).get('data_preprocessor') or {}
    return {key: given.get(key, value) for key, value in IMAGENET.items()}


def _surgery(checkpoint: Path, classes: Sequence[str]) -> str | None:
    """What has to be done for a checkpoint of other classes."""
    if not checkpoint.is_file():
        raise UserError(f'{checkpoint}: no such checkpoint')
    theirs = classes_in(CheckpointLoader.load_checkpoint(str(checkpoint), map_location='cpu'))
    if theirs and list(theirs) == list(classes):
        return None
    shared = {each.lower() for each in theirs or ()} & {each.lower() for each in classes}
    return 'remap' if shared else 'drop'


def _palette(count: int) -> list[list[int]]:
    """Colours that differ, by the golden ratio around the circle of hues."""
    hues = [(0.6 + 0.618034 * number) % 1 for number in range(count)]
    lights = [(0.9, 0.6, 0.75)[number % 3] for number in range(count)]
    colours = [colorsys.hsv_to_rgb(h, 0.7, v) for h, v in zip(hues, lights, strict=True)]
    return [[round(255 * part) for part in each] for each in colours]


def _named(folder: Folder, other: Folder) -> str:
    """The part of a folder's path that the other's has not."""
    return str(folder.images.relative_to(os.path.commonpath([folder.images.parent, other.images])))


def _span(folder: Folder) -> str:
    first, last = (f'{h} x {w}' for h, w in (folder.smallest, folder.largest))
    return first if first == last else f'{first} to {last}'


def _quoted(value: object) -> str:
    """A value as Python, in which mmengine sees no variables of its own."""
    return repr(value).replace('{{', '{\\x7b')


def _wrapped(values: Sequence[object]) -> str:
    """A tuple or list over several lines, where it is long."""
    ends = '()' if isinstance(values, tuple) else '[]'
    items = [f'{_quoted(each)},' for each in values]
    if sum(map(len, items)) + len(items) < 72:
        inner = ' '.join(items)
        return f'{ends[0]}{inner if len(items) == 1 else inner[:-1]}{ends[1]}'
    lines = ['']
    for item in items:
        if lines[-1] and len(lines[-1]) + len(item) > 84:
            lines.append('')
        lines[-1] += f' {item}' if lines[-1] else item
    return '\n'.join([ends[0], *(f'        {line}' for line in lines), f'    {ends[1]}'])
