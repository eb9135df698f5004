"""A config of full size cut down to a run of seconds: narrow networks and images an eighth as large.

What stays as it is: data sets, order and kind of the transforms, samplers, batch sizes, objectives,
optimizers, schedules, hooks, evaluators, stages.
"""

import copy
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from config_data import domains_of, names_of
from mmengine.config import Config, ConfigDict
from mmengine.hooks import Hook
from mmengine.runner import CheckpointLoader, Runner
from test_configs import CONFIGS, build, shrink, trainings, walk, without_start

from mmseg_da.engine.stage_kinds import GIVEN, TRAIN
from mmseg_da.engine.stages import TrainingStage, split
from mmseg_da.registry import HOOKS, MODELS

FACTOR, MULTIPLE = 8, 8
ITERATIONS = 2
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
SIDES = ('scale', 'crop_size', 'size', 'stride', 'detail_crop')  # whole pixels, of images
MARGINS = ('top', 'bottom', 'left', 'right')
LENGTHS = ('block', 'ignore_top', 'ignore_bottom', *MARGINS)  # others
AREAS = ('min_pixels',)
GIVEN_FILE = re.compile(r'work_dirs/(.+)/iter_(\d+)\.pth')
NOTES = 'notes.json'


@HOOKS.register_module()
class RunNotesHook(Hook):
    """Notes which parts of a model a training has changed, and the sizes of its images."""

    priority = 'LOWEST'

    def before_train(self, runner: Runner) -> None:
        """Keep the values that the training starts with."""
        self.sizes: dict[str, list[list[int]]] = {}
        self.before = {
            part: [value.detach().clone() for value in module.parameters()]
            for part, module in self._parts(runner.model).items()
        }

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Note height and width of each image, before the preprocessor pads it."""
        domains = {'': data_batch} if 'inputs' in data_batch else data_batch
        for name, domain in domains.items():
            sizes = [list(image.shape[-2:]) for image in domain['inputs']]
            self.sizes.setdefault(name, []).extend(sizes)

    def after_train(self, runner: Runner) -> None:
        """Compare."""
        moved = {
            part: any(
                not torch.equal(old, new)
                for old, new in zip(self.before[part], module.parameters(), strict=True)
            )
            for part, module in self._parts(runner.model).items()
        }
        Path(runner.work_dir, NOTES).write_text(json.dumps(dict(moved=moved, sizes=self.sizes)))

    @staticmethod
    def _parts(model: torch.nn.Module) -> Mapping[str, torch.nn.Module]:
        return model.parts() if hasattr(model, 'parts') else dict(segmentor=model)


def _side(value: int) -> int:
    return max(MULTIPLE, round(value / FACTOR / MULTIPLE) * MULTIPLE)


def _length(value: int) -> int:
    return value and max(1, round(value / FACTOR))


def _each(function: Callable[[int], int], value: Any) -> Any:
    """Of one number or several; a share of an image stays."""
    if isinstance(value, list | tuple):
        return type(value)(_each(function, each) for each in value)
    return function(value) if isinstance(value, int) and not isinstance(value, bool) else value


def reduce_pixels(part: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """For every dict inside of a config its path, and what of it is a smaller number of pixels."""
    rules = dict.fromkeys(SIDES, _side) | dict.fromkeys(LENGTHS, _length)
    rules |= dict.fromkeys(AREAS, lambda value: value // FACTOR**2)
    for path, each in walk(part):
        smaller = {key: _each(rules[key], each[key]) for key in rules if key in each}
        if smaller:
            yield path, smaller


def with_small_images(part: Any) -> Any:
    """A copy of a part of a config, for smaller images."""
    part = copy.deepcopy(part)
    found = dict(walk(part))
    for path, smaller in list(reduce_pixels(part)):
        found[path].update(smaller)
    return part


def small_model(model: ConfigDict) -> ConfigDict:
    """The same model with narrow networks, for smaller images."""
    narrow = shrink(copy.deepcopy(model))
    found = dict(walk(narrow))
    for path, smaller in reduce_pixels(model):
        if path in found:
            found[path].update(smaller)
    return narrow


def _small_parts(cfg: Config) -> dict[str, Any]:
    """What of a training, of one stage or the only one, is not left as it is."""
    parts: dict[str, Any] = dict(
        model=small_model(cfg.model),
        train_cfg=dict(cfg.train_cfg, max_iters=ITERATIONS, val_interval=ITERATIONS),
        custom_hooks=[*(cfg.get('custom_hooks') or []), dict(type='RunNotesHook')],
    )
    for loader in LOADERS:
        if cfg.get(loader):
            small = with_small_images(cfg[loader])
            parts[loader] = dict(small, num_workers=0, persistent_workers=False)
    return parts


def reduced(cfg: Config, folder: Path) -> Config:
    """Cut a config down, in place, with the files that it wants of the user.

    Args:
        cfg: As the tools read it.
        folder: Where checkpoints of other trainings are written.
    """
    stages = split(cfg) if 'stages' in cfg else []
    for stage in stages:
        cfg.stages[stage.name] = _small_stage(stage, cfg.stages[stage.name], folder)
    for key, value in _small_parts(_given(cfg, folder)).items():
        cfg[key] = value
    cfg.load_from = _given(cfg, folder).get('load_from')
    cfg.tta_pipeline = with_small_images(cfg.tta_pipeline)
    cfg.default_hooks.logger.interval = 1
    cfg.default_hooks.checkpoint.interval = ITERATIONS
    if cfg.default_hooks.adaptation_view.interval:
        cfg.default_hooks.adaptation_view.update(interval=ITERATIONS, samples=1)
    return cfg


def _small_stage(stage: TrainingStage, changes: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    changes = dict(with_small_images(changes))
    if stage.given is not None:
        return dict(changes, **{GIVEN[stage.kind]: checkpoint(stage.given, folder)})
    if stage.kind != TRAIN:
        return changes
    parts = _small_parts(_given(stage.cfg, folder))
    whole = {
        key: dict(value, _delete_=True) if isinstance(value, Mapping) else value
        for key, value in parts.items()
    }
    return changes | whole


def _given(cfg: Config, folder: Path) -> Config:
    """The same with checkpoints in place of those of trainings that were not run."""
    cfg = Config(copy.deepcopy(cfg.to_dict()), filename=cfg.filename)
    for _, part in walk(cfg._cfg_dict):
        for key, value in part.items():
            if key in ('checkpoint', 'load_from') and GIVEN_FILE.fullmatch(str(value)):
                part[key] = checkpoint(value, folder)
    return cfg


def checkpoint(name: str, folder: Path) -> str:
    """Write what ``work_dirs/NAME/iter_N.pth`` would be: the end of the training of NAME.py."""
    work_dir, iterations = GIVEN_FILE.fullmatch(name).groups()
    (config,) = CONFIGS.rglob(f'{work_dir}.py')
    last = trainings(config)[-1]
    assert last.iterations == int(iterations), f'{name}: {config} trains {last.iterations}'
    file = folder / f'{work_dir}.pth'
    if not file.is_file():
        model = build(without_start(last.cfg))
        classes = names_of(domains_of(last.cfg.train_dataloader.dataset)[-1])
        meta = dict(dataset_meta=dict(classes=classes), iter=last.iterations)
        torch.save(dict(meta=meta, state_dict=model.state_dict()), file)
    return str(file)


def logged(work_dir: Path) -> list[dict[str, float]]:
    """What one training has written of its losses and scores."""
    (path,) = work_dir.glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in path.read_text().splitlines()]


def check_training(cfg: Config, work_dir: Path) -> dict[str, float]:
    """See that a training ran, and did what its config says.

    Args:
        cfg: The config, or the one of a stage.
        work_dir: The folder of the run.

    Returns:
        The scores; none where there is no validation.
    """
    rows = logged(work_dir)
    validates = bool(cfg.get('val_dataloader'))
    steps = list(range(1, ITERATIONS + 1)) + [ITERATIONS] * validates
    assert [row['step'] for row in rows] == steps
    for row in rows[:ITERATIONS]:
        assert all(math.isfinite(value) for value in row.values()), row
        for loss in losses(cfg.model):
            assert any(re.fullmatch(loss, key) for key in row), (loss, row)
    notes = json.loads((work_dir / NOTES).read_text())
    assert notes['moved']
    assert all(notes['moved'].values()), notes['moved']
    for domain, sizes in notes['sizes'].items():
        assert all(fits(size, cfg.model, domain) for size in sizes), (domain, sizes)
    saved = CheckpointLoader.load_checkpoint(str(work_dir / f'iter_{ITERATIONS}.pth'), 'cpu')
    assert saved['meta']['iter'] == ITERATIONS
    assert {'state_dict', 'optimizer'} <= saved.keys()
    return rows[-1] if validates else {}


def losses(model: ConfigDict) -> list[str]:
    """Patterns of the names of what each iteration has to log."""
    built = MODELS.build(model)
    phases = [phase.name for phase in built.phases()] if hasattr(built, 'phases') else []
    named = [name for name, each in (model.get('objectives') or {}).items() if each is not None]
    return [rf'{phase}\.loss' for phase in phases] + [rf'{name}\..+' for name in named] or ['loss']


def fits(size: Sequence[int], model: ConfigDict, domain: str) -> bool:
    """Whether a model takes an image as it comes, or, of one labelled data set, padded."""
    common = model.data_preprocessor
    own = dict(labelled=common.get('labelled') or common.get('target')).get(
        domain, common.get(domain)
    )
    expected = (own or {}).get('size') or common.size
    padded = not domain and all(side <= most for side, most in zip(size, expected, strict=True))
    return padded or tuple(size) == tuple(expected)
