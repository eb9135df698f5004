"""What the command line tools share: reading a config and building its runner."""

import functools
import os
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import nn

from mmseg_da.datasets.outputs import require_own_names, require_writable
from mmseg_da.datasets.presence import check_data
from mmseg_da.datasets.reading import name_files
from mmseg_da.engine.class_sets import check_classes
from mmseg_da.engine.config_files import ConfigOptions, find_modules_beside
from mmseg_da.engine.distributed import prepare
from mmseg_da.engine.fitting import check_predicts, renaming
from mmseg_da.engine.rounds import expand_rounds
from mmseg_da.engine.settings import check_settings, without_our_hooks
from mmseg_da.engine.starting import starting
from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS, MODELS, RUNNERS

_BUILDERS = ('build_train_loop', 'build_val_loop', 'build_optim_wrapper', 'build_param_scheduler')
# What a registry puts in front of an error of a class that it builds.
_BUILDER_PREFIX = re.compile(r'^"?(?:class `[^`]*` in [^:]*: )+')


def add_common_flags(parser: ArgumentParser, runs: bool = True) -> None:
    """Add the config and the flags that the tools share.

    Args:
        runs: Whether the tool runs a model, so that it has the flags of a launcher.
    """
    parser.add_argument('config', help='config file path')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        help='override settings of the config: key=value, key="[a,b]" or key=a,b for lists',
    )
    if runs:
        launchers = ['none', 'pytorch', 'slurm', 'mpi']
        parser.add_argument('--launcher', choices=launchers, default='none', help='job launcher')
        parser.add_argument('--local_rank', '--local-rank', type=int, default=0)


def config_of(args: Namespace) -> Config:
    """Read the config of a tool that runs a model, with its launcher.

    Raises:
        UserError: As :func:`load_config`, or the launcher has not started this process.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if args.launcher == 'pytorch' and 'RANK' not in os.environ:
        raise UserError(
            '--launcher pytorch: this process was not started by torchrun (RANK is not set). Start it '
            'with `torchrun --nproc_per_node=GPUS tools/TOOL.py CONFIG --launcher pytorch`, or leave '
            '--launcher out'
        )
    cfg = load_config(args.config, args.cfg_options, args.work_dir)
    cfg.launcher = args.launcher
    return cfg


def load_config(path: str, options: dict[str, Any] | None, work_dir: str | None) -> Config:
    """Read a config as mmseg's tools do.

    The working directory is the argument, else the config's own, else ``./work_dirs/<stem>``.

    Raises:
        UserError: As :func:`read_config`, or the working directory cannot be written to.
    """
    cfg = read_config(path, options)
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs', Path(path).stem))
    elif not isinstance(cfg.work_dir, str):
        raise UserError(f'{path}: work_dir is {cfg.work_dir!r}, but has to be the name of a folder')
    require_writable(cfg.work_dir, '--work-dir')
    return cfg


def read_config(path: str, options: dict[str, Any] | None) -> Config:
    """Read a config, whose ``custom_imports`` may lie beside it, and override settings of it.

    Raises:
        UserError: The file is missing or no valid config; names it.
    """
    if not Path(path).is_file():
        raise UserError(f'{path}: no such config file')
    find_modules_beside(path)
    try:
        cfg = Config.fromfile(path)
        stages = list(cfg.get('stages') or {})
        if options:
            cfg.merge_from_dict(options)
        if cfg.get('rounds') is not None:
            expand_rounds(cfg)
            stages = list(cfg.stages)
        _require_stages(cfg, stages)
    except UserError:
        raise
    except Exception as error:  # a config is Python: anything may come
        raise UserError(f'{path}: not a valid config: {_short(error)}') from error
    return cfg


def _require_stages(cfg: Config, stages: list[str]) -> None:
    """See that options name the stages that a config has: others would make new ones."""
    named = [*(cfg.get('stages') or {}), *filter(None, [cfg.get('stage')])]
    unknown = [name for name in named if name not in stages]
    if unknown:
        has = f'the stages {", ".join(stages)}' if stages else 'no stages'
        raise UserError(f'{cfg.filename}: there is no stage {unknown[0]}; the config has {has}')


def enable_amp(cfg: Config) -> None:
    """Switch every optimizer wrapper of a config to mixed precision with dynamic loss scaling.

    Raises:
        UserError: A wrapper is of a kind that has no mixed-precision form.
    """
    stages = [each for each in (cfg.get('stages') or {}).values() if each]
    for each in [cfg, *[stage for stage in stages if 'optim_wrapper' in stage]]:
        _enable_amp(each.optim_wrapper)


def _enable_amp(wrapper: ConfigDict) -> None:
    own = [value for value in wrapper.values() if isinstance(value, dict) and 'type' in value]
    for each in [wrapper, *[part for part in own if 'optimizer' in part]]:
        kind = each.get('type', 'OptimWrapper')
        if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
            raise UserError(f'--amp: optim_wrapper of type {kind} has no mixed-precision form')
        each.type = 'AmpOptimWrapper'
        each.setdefault('loss_scale', 'dynamic')


def build_runner(cfg: Config) -> Runner:
    """Build the runner that the config names, mmengine's if it names none.

    Raises:
        UserError: The config names an unknown type or argument, or does not fit together.
    """
    with config_errors(cfg):
        check_settings(cfg)
        prepare(cfg)
        return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)


def train(cfg: Config, hooks: Iterable[Hook] = ()) -> Runner | None:
    """Build the runner of a config and train; gives the runner, unless it ran several stages.

    Args:
        cfg: The config.
        hooks: Further hooks, which no config names.

    Raises:
        UserError: As :func:`build_runner`, or a mistake of the user that shows later.
    """
    if 'stages' in cfg:
        _require_staged(cfg)
        with config_errors(cfg):
            staged = RUNNERS.build(cfg)
        staged.train()  # which comes back here, stage by stage
        return None
    with starting(cfg) as progress:
        runner = build_runner(cfg)
        progress.follow(runner)
        for hook in hooks:
            runner.register_hook(hook)
        for name in _BUILDERS:
            # Runner.train builds these, in an order of its own, before it trains.
            setattr(runner, name, config_errors(cfg)(getattr(runner, name)))
        runner.train()
    return runner


def _require_staged(cfg: Config) -> None:
    """Refuse to leave out the stages without a word, as any other runner would."""
    kind = cfg.get('runner_type', 'Runner')
    if not getattr(RUNNERS.get(kind), 'runs_stages', False):
        raise UserError(
            f'{cfg.filename}: runner_type={kind!r} does not know `stages`: set '
            "runner_type='StagedRunner', or remove `stages`"
        )


def test(cfg: Config, *hooks: Hook) -> dict[str, float]:
    """Build mmengine's runner, whatever the config names, and test; training data is not needed.

    Args:
        cfg: The config.
        *hooks: Further hooks, which no config names.

    Returns:
        The scores.

    Raises:
        UserError: As :func:`train`, or the checkpoint lacks weights of the segmentor, or
            predictions that are to be written would replace each other.
    """
    with config_errors(cfg):
        check_settings(cfg)
    check_data(cfg, ['test_dataloader'])
    with config_errors(cfg):
        _check_predictions(cfg)
    with starting(cfg) as progress:
        with config_errors(cfg):
            prepare(cfg, trains=False)
            without_our_hooks(cfg.get('default_hooks') or {})
            runner = Runner.from_cfg(cfg)
            dataset = runner.test_loop.dataloader.dataset  # which builds the loop
            check_classes(runner.model, dataset)
        name_files(dataset)
        progress.stage = 'test'
        progress.follow(runner)
        for hook in hooks:
            runner.register_hook(hook)
        runner.load_checkpoint = _checking(runner.load_checkpoint, runner.model)
        return runner.test()


def _check_predictions(cfg: Config) -> None:
    """See that predictions do not replace each other, before the evaluator makes their folder."""
    evaluators = cfg.get('test_evaluator') or []
    evaluators = [evaluators] if isinstance(evaluators, dict) else evaluators
    writes = any(each.get('output_dir') for each in evaluators if isinstance(each, dict))
    if not writes or not cfg.get('test_dataloader'):
        return
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    images = (dataset.get_data_info(index).get('img_path') for index in range(len(dataset)))
    require_own_names(filter(None, images), 'test_evaluator.output_dir (--out)')


def _checking(load: Callable[..., dict], model: nn.Module) -> Callable[..., dict]:
    """A runner's way to load a checkpoint, which refuses one that does not predict."""

    @functools.wraps(load)
    def load_checkpoint(filename: str, *args: Any, **kwargs: Any) -> dict:
        if len(args) < 3:
            kwargs.setdefault('revise_keys', renaming(model))
        checkpoint = load(filename, *args, **kwargs)
        check_predicts(model, checkpoint, filename)
        return checkpoint

    return load_checkpoint


def build_model(cfg: Config) -> nn.Module:
    """Build the model of a config alone, on the CPU, with its starting weights not loaded.

    Raises:
        UserError: As :func:`build_runner`.
    """
    with config_errors(cfg):
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        return MODELS.build(cfg.model)


@contextmanager
def config_errors(cfg: Config) -> Iterator[None]:
    """Tell what a registry raises as the config's mistake, without the trail of classes.

    Raises:
        UserError: The mistake; names the config.
    """
    try:
        yield
    except UserError as error:
        raise UserError(_short(error)) from error
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError, OSError) as error:
        raise UserError(f'{cfg.filename}: {_short(error)}') from error


def _short(error: Exception) -> str:
    """The message without the registry's trail of classes and files."""
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    return _BUILDER_PREFIX.sub('', str(text)) or type(error).__name__
