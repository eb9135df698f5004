"""A stage that labels the target's training images, and the same outside of a run."""

import copy
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from mmengine.dist import broadcast_object_list, get_world_size, init_dist, is_distributed
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from mmseg_da.datasets.one_domain import OneDomain
from mmseg_da.datasets.presence import check_data
from mmseg_da.engine import launch
from mmseg_da.engine.class_sets import check_names
from mmseg_da.engine.distributed import prepare
from mmseg_da.engine.label_rules import label_rule
from mmseg_da.engine.members import check_members, ensemble_of_stage, names_of
from mmseg_da.engine.pseudo_labels import PseudoLabels
from mmseg_da.engine.stage_kinds import LABEL
from mmseg_da.engine.stages import TrainingStage, resolve
from mmseg_da.engine.trained_translators import fingerprint
from mmseg_da.errors import UserError
from mmseg_da.registry import MODELS

SIZES = ('input', 'original')
CODE_OF_FDA = dict(type='class_share', keep=0.34, sure=0.9)
"""The default rule."""
_ONE_CHANNEL = (
    'the networks have one channel (a sigmoid), which says how sure they are of one class only: set '
    'out_channels=2 in their heads'
)


def check_label_settings(settings: Mapping[str, Any], where: str) -> None:
    """Look at the settings of a labelling before anything is built.

    Args:
        settings: ``members``, and maybe ``rule``, ``average``, ``weights``, ``size`` and ``pipeline``.
        where: Where they are from, for the message.

    Raises:
        UserError: There is no member, or a setting is not known.
    """
    check_members(settings, where)
    label_rule(settings.get('rule', CODE_OF_FDA), f'{where}.rule')
    size = settings.get('size', SIZES[0])
    if size not in SIZES:
        raise UserError(f'{where}.size is {size!r}, but has to be one of {list(SIZES)}')


def check_label_stage(stage: TrainingStage) -> None:
    """Look at what would stop a stage of labels when its turn comes.

    Raises:
        UserError: As :func:`check_label_settings`, or the target's images are missing.
    """
    where = f'{stage.cfg.filename}: stages.{stage.name}'
    check_label_settings(stage.cfg[LABEL], where)
    model = stage.cfg.get('model') or {}
    head = model.get('segmentor', model).get('decode_head')
    if isinstance(head, Mapping) and head.get('out_channels') == 1:
        raise UserError(f'{where}: {_ONE_CHANNEL}')
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
    log = functools.cache(lambda: _log_of(stage))  # not before everything is built
    work = labelling(
        cfg,
        ensemble_of_stage(stage, stages, cfg),
        cfg[LABEL],
        stage.folder,
        lambda text: log().info(text),
    )
    ready()
    work.tell(said)
    work.tell(f'{work.count} images are labelled by {names_of(stage)}, rule {work.rule.settings}')
    return work.run()


def labelling(
    cfg: Config,
    model: ConfigDict,
    settings: Mapping[str, Any],
    folder: Path,
    tell: Callable[[str], None] = print,
) -> PseudoLabels:
    """What labels the training images of a config's target.

    Args:
        cfg: The config, whose launcher's processes are joined.
        model: Config of a ``SegmentorEnsemble``.
        settings: See :func:`check_label_settings`. ``pipeline`` prepares images for the networks; by
            default that of ``test_dataloader``. Labels have the size that images have after it, or
            with ``size='original'`` before.
        folder: Where to write.
        tell: Is told how far it is.

    Raises:
        UserError: The config has no target, a network does not fit or has the target's classes in
            another order, or as :class:`PseudoLabels`.
    """
    where = f'{cfg.filename}: {LABEL}'
    rule = label_rule(settings.get('rule', CODE_OF_FDA), f'{where}.rule')
    target, pipeline = _target_of(cfg, settings.get('pipeline'), where)
    _join_processes(cfg)
    with launch.config_errors(cfg):
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        network = MODELS.build(model).to(get_device()).eval()
        images = OneDomain(target, 'target')
    _check_classes(cfg, network, images)
    size = settings.get('size', SIZES[0])
    depends_on = dict(
        networks=_of_first_process(fingerprint(network)),
        average=network.average,
        weights=network.shares,
        size=size,
        pipeline=repr(pipeline),
    )
    return PseudoLabels(
        folder,
        images,
        functools.partial(_predict, network, size == 'input'),
        network.out_channels,
        rule,
        depends_on,
        num_workers=cfg.train_dataloader.get('num_workers', 0),
        tell=tell,
    )


@torch.no_grad()
def _predict(network: nn.Module, at_input_size: bool, sample: Mapping[str, Any]) -> Tensor:
    """Probabilities (C, H, W) that several networks give on average."""
    labelled = sample['data_samples'].clone()
    if at_input_size:
        labelled.set_metainfo(dict(ori_shape=sample['inputs'].shape[-2:]))
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        (predicted,) = network.test_step(dict(inputs=[sample['inputs']], data_samples=[labelled]))
    return predicted.seg_logits.data.float().softmax(dim=0)


def _join_processes(cfg: Config) -> None:
    """Join the processes of the launcher, as a runner would."""
    prepare(cfg, trains=False)
    if cfg.get('launcher', 'none') != 'none' and not is_distributed():
        init_dist(cfg.launcher, **(cfg.get('env_cfg') or {}).get('dist_cfg', {}))


def _check_classes(cfg: Config, network: nn.Module, images: OneDomain) -> None:
    classes, predicted = images.metainfo['classes'], network.out_channels
    if predicted == 1:
        raise UserError(f'{cfg.filename}: {_ONE_CHANNEL}')
    if len(classes) != predicted:
        raise UserError(
            f'{cfg.filename}: the networks predict {predicted} classes, but the target has '
            f'{len(classes)}: {", ".join(classes)}'
        )
    check_names(network, classes)


def _of_first_process(name: str) -> str:
    names = [name]
    if get_world_size() > 1:
        broadcast_object_list(names)
    return names[0]


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
    train['target'] = [_with_pipeline(each, pipeline) for each in targets]
    train.pop('labelled', None)  # images of the target that have labels are not looked at
    check_data(dict(train_dataloader=dict(dataset=dict(target=train['target']))))
    return train, pipeline


def _with_pipeline(dataset: Mapping[str, Any], pipeline: list) -> dict:
    """The config of a dataset, also inside of others, with another pipeline."""
    if 'dataset' in dataset:
        return dict(dataset, dataset=_with_pipeline(dataset['dataset'], pipeline))
    return dict(dataset, pipeline=pipeline)


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
