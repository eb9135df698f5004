"""A folder of images, or a data set, in the look of another domain."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmseg_da.datasets.outputs import write_atomically
from mmseg_da.datasets.parallel import progress
from mmseg_da.datasets.pictures import (
    encode_rgb,
    find_pictures,
    output_names,
    read_rgb,
    tell_conversions,
)
from mmseg_da.engine.image_translation import ImageTranslation
from mmseg_da.engine.translation_output import Places, bring_labels, sign
from mmseg_da.errors import UserError

Chunk = Sequence[Path]
Targets = Callable[[Chunk, tuple[int, int]], Tensor]


@dataclass
class Outcome:
    """What a translation has done.

    Attributes:
        kept: Number of images that were there already.
        notices: What had to be changed of an image before it was translated.
        problems: Why an image was not translated.
    """

    kept: int = 0
    notices: dict[Path, str] = field(default_factory=dict)
    problems: dict[Path, str] = field(default_factory=dict)


def no_targets(images: Chunk, size: tuple[int, int]) -> Tensor:
    """For a translator that looks at no target images."""
    return torch.zeros(0, 3, 1, 1)


def translate_folder(
    translation: ImageTranslation,
    places: Places,
    settings: Mapping[str, Any],
    suffix: str | None = None,
    copy_labels: bool = False,
    batch_size: int = 1,
    workers: int = 2,
    force: bool = False,
    targets: Targets = no_targets,
    show_progress: bool = True,
) -> list[str]:
    """Translate the images of a folder and those below, and bring their labels along.

    Images that are there and not older than their source are skipped, so that a killed run goes on
    where it stopped. Each appears when it is whole. The images that are translated together depend
    on the folder and ``batch_size`` alone: a run that was killed ends with the same files.

    Args:
        translation: Translates the pixels.
        places: The folders.
        settings: What the images depend on, in plain values: a run with other settings is refused.
        suffix: Of the outputs, see :func:`mmseg_da.datasets.pictures.output_names`.
        copy_labels: Copy the labels instead of linking them.
        batch_size: How many images are translated at once, if they have one size.
        workers: Threads that read and write.
        force: Replace the images of a run with other settings, or files of the same names.
        targets: Gives RGB pixels (M, 3, H, W) in [0, 255] of target images for some source images,
            of which it is told the names and the one height and width.
        show_progress: Show bars on stderr.

    Returns:
        What a user should know.

    Raises:
        UserError: There is nothing to translate, the output is in use or cannot be written, or some
            images are bad; names every one, after all others have been translated.
    """
    names = output_names(find_pictures(places.source, places.labels), suffix)
    settings = dict(settings, images=str(places.source.resolve()), suffix=suffix)
    with _told(places.out):
        sign(places, list(names), settings, force)
        said = bring_labels(places, list(names), copy_labels, show_progress)
        run = _Run(translation, places, names, batch_size, workers, targets)
        outcome = run.all(show_progress)
    said += tell_conversions(outcome.notices)
    if outcome.problems:
        lines = '\n'.join(
            f'  {places.source / name} {why}' for name, why in outcome.problems.items()
        )
        raise UserError(
            f'{len(outcome.problems)} of {len(names)} images were not translated; repair or delete '
            f'them and run the same command again:\n{lines}'
        )
    there = f', {outcome.kept} of which were there already' if outcome.kept else ''
    return [f'{len(names)} images are in {places.images_out}{there}', *said]


@contextmanager
def _told(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f'{out}: cannot be written ({error}). Make room or mend that, then run the same command '
            'again: it goes on where it stopped'
        ) from error


class _Run:
    """Reads ahead, translates, and writes behind."""

    def __init__(
        self,
        translation: ImageTranslation,
        places: Places,
        names: Mapping[Path, Path],
        batch_size: int,
        workers: int,
        targets: Targets,
    ) -> None:
        self.translation, self.targets, self.workers = translation, targets, workers
        self.source, self.out = places.source, places.images_out
        self.names, self.batch_size = names, batch_size
        self.outcome = Outcome()

    def all(self, show_progress: bool) -> Outcome:
        """Translate what is not finished."""
        todo = {name for name in self.names if not self._is_finished(name)}
        self.outcome.kept = len(self.names) - len(todo)
        pool = ThreadPoolExecutor(self.workers)
        try:
            steps = self._written(pool, todo)
            for _ in progress(steps, 'Images', show_progress and bool(todo), len(todo)):
                pass
        finally:
            pool.shutdown(cancel_futures=True)
        return self.outcome

    def _is_finished(self, name: Path) -> bool:
        output, source = self.out / self.names[name], self.source / name
        if not output.is_file() or not source.is_file():
            return False
        return output.stat().st_mtime >= source.stat().st_mtime

    def _written(self, pool: ThreadPoolExecutor, todo: set[Path]) -> Iterator[None]:
        """Yield for each image that is done; few are held in memory."""
        writing: deque[Future] = deque()
        for chunk, reading in self._read(pool, self._chunks(todo)):
            images = {}
            for name, result in zip(chunk, reading, strict=True):
                try:
                    images[name], notice = result.result()
                except ValueError as error:
                    notice = None
                    if name in todo:
                        self.outcome.problems[name] = str(error)
                        (self.out / self.names[name]).unlink(missing_ok=True)
                        yield
                if notice and name in todo:
                    self.outcome.notices[name] = notice
            for name, pixels in self._translate(images):
                if name in todo:
                    writing.append(pool.submit(self._write, name, pixels))
            while len(writing) > self.workers:
                yield writing.popleft().result()
        while writing:
            yield writing.popleft().result()

    def _chunks(self, todo: set[Path]) -> Iterator[Chunk]:
        """What is read together: images in order, those that are finished among them."""
        names = list(self.names)
        for start in range(0, len(names), self.batch_size):
            chunk = names[start : start + self.batch_size]
            if not todo.isdisjoint(chunk):
                yield chunk

    def _read(
        self, pool: ThreadPoolExecutor, chunks: Iterator[Chunk]
    ) -> Iterator[tuple[Chunk, list[Future]]]:
        ahead: deque[tuple[Chunk, list[Future]]] = deque()
        for chunk in chunks:
            ahead.append((chunk, [pool.submit(read_rgb, self.source / name) for name in chunk]))
            if (len(ahead) - 1) * self.batch_size > self.workers:
                yield ahead.popleft()
        yield from ahead

    def _translate(self, images: Mapping[Path, np.ndarray]) -> Iterator[tuple[Path, np.ndarray]]:
        """Translate images, those of one size together."""
        sizes: dict[tuple[int, ...], list[Path]] = {}
        for name, pixels in images.items():
            sizes.setdefault(pixels.shape, []).append(name)
        for (height, width, _), names in sizes.items():
            batch = torch.stack([torch.from_numpy(images[name].copy()) for name in names])
            targets = self.targets(names, (height, width))
            translated = self.translation(batch.permute(0, 3, 1, 2), targets)
            yield from zip(names, translated.permute(0, 2, 3, 1).numpy(), strict=True)

    def _write(self, name: Path, pixels: np.ndarray) -> None:
        output = self.out / self.names[name]
        output.parent.mkdir(parents=True, exist_ok=True)
        content = encode_rgb(np.ascontiguousarray(pixels), output.suffix)
        write_atomically(output, content)
