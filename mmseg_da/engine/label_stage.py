"""A stage that labels the target's training images, and the same outside of a run."""

import copy
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import broadcast_object_list, get_world_size, init_dist, is_distributed
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from mmseg_da.datasets.one_domain import OneDomain
from mmseg_da.datasets.presence import check_data
from mmseg_da.engine import launch
from mmseg_da.engine.distributed import prepare
from mmseg_da.engine.label_rules import label_rule
from mmseg_da.engine.members import (
    AVERAGES,
    load_member,
    mean_probabilities,
    require_same_classes,
)
from mmseg_da.engine.pseudo_labels import PseudoLabels
from mmseg_da.engine.stages import LABEL, REFERENCE, TrainingStage, is_reference, resolve
from mmseg_da.engine.trained_translators import fingerprint
from mmseg_da.errors import UserError

SIZES = ('input', 'original')
CODE_OF_FDA = dict(type='class_share', keep=0.34, sure=0.9)


def check_label_settings(settings: Mapping[str, Any], where: str) -> None:
    """Look at the settings of a labelling before anything is built.

    Args:
        settings: ``members``, and maybe ``rule``, ``average``, ``size`` and ``pipeline``.
        where: Where they are from, for the message.

    Raises:
        UserError: There is no member, or a setting is not known.
    """
    members = settings.get('members')
    if not members or not all(isinstance(each, str) for each in members):
        raise UserError(
            f'{where}.members is {members!r}, but has to be a list of stages or checkpoints that predict'
        )
    for each in members:
        if not is_reference(each) and '://' not in each and not Path(each).is_file():
            raise UserError(
                f'{where}.members: {each} is no stage that comes before, and no checkpoint file'
            )
    label_rule(settings.get('rule', CODE_OF_FDA), f'{where}.rule')
    for key, known in dict(average=AVERAGES, size=SIZES).items():
        if settings.get(key, known[0]) not in known:
            raise UserError(
                f'{where}.{key} is {settings[key]!r}, but has to be one of {list(known)}'
            )


def check_label_stage(stage: TrainingStage) -> None:
    """Look at what would stop a stage of labels when its turn comes.

    Raises:
        UserError: As :func:`check_label_settings`, or the target's images are missing.
    """
    where = f'{stage.cfg.filename}: stages.{stage.name}'
    check_label_settings(stage.cfg[LABEL], where)
    _target_of(stage.cfg, stage.cfg[LABEL].get('pipeline'), where)


def run_label_stage(
    stage: TrainingStage,
    stages: Sequence[TrainingStage],
    launcher: str,
    ready: Callable[[], None],
    said: str,
) -> bool:
    """Label the target's training images, or what is left of them.

    Args:
        stage: The stage; its ``members`` have ended.
        stages: All stages.
        launcher: What started this process.
        ready: Called when everything is built, before anything is written.
        said: What the log says first.

    Returns:
        Whether the labels are there; not if SIGTERM came.

    Raises:
        UserError: A member does not fit, or as :class:`PseudoLabels`.
    """
    cfg = resolve(stage, stages)
    cfg.launcher = launcher
    named = stage.cfg[LABEL].members
    own = {each.name: each.cfg for each in stages}
    configs = [own[name.removeprefix(REFERENCE)] if is_reference(name) else cfg for name in named]
    join_processes(cfg)
    members = load_members(configs, cfg[LABEL].members)
    log = functools.cache(lambda: _log_of(stage))  # not before everything is built
    work = labelling(cfg, members, cfg[LABEL], stage.folder, lambda text: log().info(text))
    ready()
    work.tell(said)
    names = ', '.join(name.removeprefix(REFERENCE) for name in named)
    work.tell(f'{work.count} images are labelled by {names}, rule {work.rule.settings}')
    return work.run()


def join_processes(cfg: Config) -> None:
    """Join the processes of the launcher, as a runner would."""
    prepare(cfg, trains=False)
    if cfg.get('launcher', 'none') != 'none' and not is_distributed():
        init_dist(cfg.launcher, **(cfg.get('env_cfg') or {}).get('dist_cfg', {}))


def load_members(configs: Sequence[Config], checkpoints: Sequence[str]) -> list[EncoderDecoder]:
    """Load networks on the device of this process.

    Raises:
        UserError: As :func:`mmseg_da.engine.members.load_member`, or their classes differ.
    """
    members = [load_member(cfg, file) for cfg, file in zip(configs, checkpoints, strict=True)]
    require_same_classes(members, checkpoints)
    return [member.to(get_device()) for member in members]


def labelling(
    cfg: Config,
    members: Sequence[EncoderDecoder],
    settings: Mapping[str, Any],
    folder: Path,
    tell: Callable[[str], None] = print,
    show_progress: bool = True,
) -> PseudoLabels:
    """What labels the training images of a config's target.

    Args:
        cfg: The config; its processes have joined.
        members: Networks on their device.
        settings: See :func:`check_label_settings`. ``pipeline`` prepares images for the members; by
            default that of ``test_dataloader``. Labels have the size that images have after it, or
            with ``size='original'`` before.
        folder: Where to write.
        tell: Is told how far it is.
        show_progress: Show bars on stderr.

    Raises:
        UserError: The config has no target, or as :class:`PseudoLabels`.
    """
    where = f'{cfg.filename}: {LABEL}'
    rule = label_rule(settings.get('rule', CODE_OF_FDA), f'{where}.rule')
    average, size = settings.get('average', AVERAGES[0]), settings.get('size', SIZES[0])
    target, pipeline = _target_of(cfg, settings.get('pipeline'), where)
    with launch.config_errors(cfg):
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        images = OneDomain(target, 'target')
    classes, predicted = images.metainfo['classes'], members[0].out_channels
    if len(classes) != predicted:
        raise UserError(
            f'{cfg.filename}: the networks predict {predicted} classes, but the target has '
            f'{len(classes)}: {", ".join(classes)}'
        )

    def predict(sample: Mapping[str, Any]) -> Tensor:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            probabilities = mean_probabilities(members, sample, average)
        full = tuple(sample['data_samples'].ori_shape[:2])
        if size == 'input' or probabilities.shape[-2:] == full:
            return probabilities
        corners = members[0].align_corners
        return F.interpolate(probabilities[None], full, mode='bilinear', align_corners=corners)[0]

    depends_on = dict(
        networks=_shared([fingerprint(each) for each in members]),
        average=average,
        size=size,
        pipeline=repr(pipeline),
    )
    return PseudoLabels(
        folder,
        images,
        predict,
        predicted,
        rule,
        depends_on,
        num_workers=cfg.train_dataloader.get('num_workers', 0),
        tell=tell,
        show_progress=show_progress,
    )


def _shared(names: list[str]) -> list[str]:
    """The first process's: networks are the same, but a GPU of another kind might round otherwise."""
    if get_world_size() > 1:
        broadcast_object_list(names)
    return names


def _target_of(cfg: Config, pipeline: Any, where: str) -> tuple[dict, list]:
    """Config of the training data whose target is prepared as for a prediction; and how."""
    train = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    if 'target' not in train:
        raise UserError(f'{where}: train_dataloader.dataset has no target to label')
    train = copy.deepcopy(train.to_dict() if hasattr(train, 'to_dict') else dict(train))
    if pipeline is None:
        pipeline = _first_pipeline((cfg.get('test_dataloader') or {}).get('dataset'))
    if not pipeline:
        raise UserError(
            f'{where}: no pipeline: set `pipeline` to the transforms that prepare an image, or have a '
            'test_dataloader with one'
        )
    pipeline = [dict(each) for each in pipeline if each.get('type') != 'LoadAnnotations']
    targets = train['target'] if isinstance(train['target'], list | tuple) else [train['target']]
    train['target'] = [dict(each, pipeline=pipeline) for each in targets]
    check_data(dict(train_dataloader=dict(dataset=dict(target=train['target']))))
    return train, pipeline


def _first_pipeline(dataset: Any) -> list | None:
    while isinstance(dataset, Mapping):
        if 'pipeline' in dataset:
            return dataset['pipeline']
        inner = dataset.get('datasets') or [dataset.get('dataset')]
        dataset = inner[0]
    return None


def _log_of(stage: TrainingStage) -> MMLogger:
    """A log of its own, where those of trainings lie."""
    now = time.strftime('%Y%m%d_%H%M%S')
    folder = stage.folder / now
    folder.mkdir(parents=True, exist_ok=True)
    name = f'{Path(stage.cfg.filename or "config").stem}_{stage.name}_{now}'
    return MMLogger.get_instance(name, logger_name='mmengine', log_file=f'{folder}/{now}.log')
