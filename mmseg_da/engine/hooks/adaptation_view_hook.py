"""Pictures of a training, while it runs and at its end."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from mmseg_da.datasets.source_target import seeded
from mmseg_da.errors import UserError
from mmseg_da.registry import HOOKS
from mmseg_da.visualization import draw_panel, save_panel, to_picture

NAME = 'adaptation'
_WIDTH = 3.2  # of an image, 352 pixels


@HOOKS.register_module()
class AdaptationViewHook(Hook):
    """Draws what a model's ``pictures`` gives: images of both domains and the classes seen in them.

    Every ``interval`` iterations the first sample of the batch goes to the visualizer, so that all
    its backends get it, as ``adaptation``. When a training ends, ``WORK_DIR/sheet.png`` shows
    several training samples, the same ones whatever the method. Only the main process draws. The
    training does not change by it: the model is in evaluation mode for as long, and modes and random
    states are put back.

    A model that has no method ``pictures``, or whose answer is empty, is not drawn: see
    :meth:`mmseg_da.models.PhasedModel.pictures`.

    Args:
        interval: Iterations between two pictures; 0 or ``None`` draws neither these nor the sheet.
        samples: Number of samples in the sheet; 0 leaves it out.

    Raises:
        UserError: One of them is negative.
    """

    priority = 'LOW'

    def __init__(self, interval: int | None = 1000, samples: int = 4) -> None:
        self.interval, self.samples = interval or 0, samples
        if min(self.interval, samples) < 0:
            raise UserError(
                f'default_hooks.adaptation_view: interval={interval} and samples={samples} must not be '
                'negative; 0 draws none'
            )

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Draw a picture if it is time."""
        if not is_main_process() or not self.every_n_train_iters(runner, self.interval):
            return
        rows = _rows(runner.model, [_first(data_batch)])
        if rows:
            picture = draw_panel(**_panel(rows, runner.train_dataloader.dataset))
            runner.visualizer.add_image(NAME, picture, runner.iter + 1)

    def after_train(self, runner: Runner) -> None:
        """Draw the sheet, unless the training was told to end early."""
        told_to_end = getattr(runner.train_loop, 'told_to_end', False)
        if not is_main_process() or not self.interval or not self.samples or told_to_end:
            return
        if not hasattr(_plain(runner.model), 'pictures'):
            return
        loader, file = runner.train_dataloader, Path(runner.work_dir, 'sheet.png')
        indices = np.linspace(0, len(loader.dataset) - 1, self.samples).astype(int).tolist()
        rows = _rows(runner.model, _samples(loader, dict.fromkeys(indices)))
        if not rows:
            return
        try:
            save_panel(**_panel(rows, loader.dataset), file=file)
        except OSError as error:  # no reason to lose what comes after the training
            runner.logger.warning(f'{file}: cannot write the picture ({error})')


def _rows(model: nn.Module, batches: Iterable[Any]) -> list[tuple[str, dict]]:
    """Names and columns of the rows that the model shows of batches of one sample."""
    model = _plain(model)
    if not hasattr(model, 'pictures'):
        return []
    rows = []
    with at_rest(model):
        for batch in batches:
            shown = model.pictures(model.data_preprocessor(batch, training=True))
            rows += [
                (name, {title: values[0].cpu() for title, values in row.items()})
                for name, row in shown.items()
            ]
    return rows


@contextmanager
def at_rest(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradient; gives back every module's mode and all random states."""
    modes = [(module, module.training) for module in model.modules()]
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    try:
        # One by one: a module's own `train` may do more than to set the mode.
        for module, _ in modes:
            module.training = False
        with torch.no_grad(), torch.random.fork_rng(devices), seeded(0):
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def _plain(model: nn.Module) -> nn.Module:
    """The model inside of a distributed wrapper."""
    return getattr(model, 'module', model)


def _first(batch: Any) -> Any:
    """The first sample of a batch, as a batch of one."""
    if isinstance(batch, Mapping):
        return {key: _first(value) for key, value in batch.items()}
    return batch[:1] if isinstance(batch, list | tuple | Tensor) else batch


def _samples(loader: Any, indices: Iterable[int]) -> Iterator[Any]:
    """Batches of one sample, whose augmentation depends on the index alone."""
    for index in indices:
        with seeded(index):
            sample = loader.dataset[index]
        yield loader.collate_fn([sample])


def _panel(rows: list[tuple[str, dict[str, Tensor]]], dataset: Any) -> dict[str, Any]:
    """What ``draw_panel`` and ``save_panel`` take."""
    classes, palette = _classes(dataset)
    shown = [
        {title: _picture(values, palette, f'{name}, {title}') for title, values in row.items()}
        for name, row in rows
    ]
    has_labels = any(values.ndim == 2 for _, row in rows for values in row.values())
    legend = dict(classes=[*classes, 'ignored'], palette=[*palette, (0, 0, 0)])
    names = [name for name, _ in rows]
    return dict(rows=shown, names=names, width=_WIDTH) | (legend if has_labels else {})


def _picture(values: Tensor, palette: Sequence[Sequence[int]], where: str) -> np.ndarray:
    try:
        return to_picture(values, palette)
    except ValueError as error:
        raise ValueError(f'the pictures of the model: {where}: {error}') from None


def _classes(dataset: Any) -> tuple[Sequence[str], Sequence[Sequence[int]]]:
    """Names and colours of a dataset's classes; without them, colours alone."""
    metainfo = getattr(dataset, 'metainfo', None) or {}
    if metainfo.get('palette'):
        return metainfo['classes'], metainfo['palette']
    colours = np.array(matplotlib.colormaps['tab20'].colors) * 255
    return (), colours.astype(int).tolist()
