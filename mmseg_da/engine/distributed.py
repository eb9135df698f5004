"""Several processes: what they need before, and what they share while they train."""

import datetime
import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import get_world_size, is_distributed
from mmengine.model import revert_sync_batchnorm
from mmengine.runner import Runner
from torch import nn

from mmseg_da.engine.wrappers import PhasedDDP
from mmseg_da.errors import UserError
from mmseg_da.models.phased import PhasedModel
from mmseg_da.registry import MODEL_WRAPPERS, MODELS

_JOINT = 'joint_batch_size'


def prepare(cfg: Config, trains: bool = True) -> None:
    """Make a config ready for the processes of its launcher; join them, if they have no GPU.

    mmengine joins processes that have GPUs. Call it before the runner is built, as often as you like.

    Args:
        cfg: Changed in place: on the CPU the backend becomes gloo, and a phased model that names no
            wrapper gets ``PhasedDDP``.
        trains: Whether the model is to be trained, and not only tested.

    Raises:
        UserError: A phased model is to be trained by another wrapper, or the launcher's processes
            lack GPUs.
    """
    if cfg.get('launcher', 'none') == 'none':
        return
    if trains:
        _choose_wrapper(cfg)
    if get_device() == 'cpu':
        _join_on_cpus(cfg)
    elif get_device() == 'cuda' and cfg.launcher == 'pytorch':
        _check_gpu(int(os.environ.get('LOCAL_RANK', 0)), torch.cuda.device_count())


@contextmanager
def leaving_processes() -> Iterator[None]:
    """Leave the other processes in order at the end of a tool, if it has joined any.

    Threads of a group that is still there when the interpreter ends may abort the process, and a
    wrapper that outlives its group may hang.
    """
    yield
    if is_distributed():
        gc.collect()  # the runner's wrapper is in cycles
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def _choose_wrapper(cfg: Config) -> None:
    """Take ``PhasedDDP`` for a phased model, and no other wrapper."""
    model = MODELS.get(cfg.model.type) if isinstance(cfg.model.type, str) else cfg.model.type
    if model is None or not issubclass(model, PhasedModel):
        return
    wrapper = dict(cfg.get('model_wrapper_cfg') or {})
    kind = wrapper.setdefault('type', 'mmseg.PhasedDDP')
    found = MODEL_WRAPPERS.get(kind) if isinstance(kind, str) else kind
    if found is None or not issubclass(found, PhasedDDP):
        raise UserError(
            f'{cfg.filename}: model_wrapper_cfg is of type {kind}, but {model.__name__} trains in '
            "phases: set model_wrapper_cfg=dict(type='mmseg.PhasedDDP'), or leave it out"
        )
    cfg.model_wrapper_cfg = wrapper


def _join_on_cpus(cfg: Config) -> None:
    """Join by gloo, as mmengine's own way asks for a GPU whatever the backend is."""
    if cfg.launcher != 'pytorch':
        raise UserError(
            f'--launcher {cfg.launcher}: torch sees no GPU here. Ask the scheduler for GPUs, or '
            'start processes on the CPU with tools/dist_train.sh or tools/dist_test.sh'
        )
    env = cfg.get('env_cfg') or {}
    cfg.env_cfg = dict(env, dist_cfg=dict(env.get('dist_cfg') or {}, backend='gloo'))
    wrapper = cfg.get('model_wrapper_cfg') or dict(broadcast_buffers=False)
    cfg.model_wrapper_cfg = dict(wrapper, device_ids=None)  # torch accepts none on the CPU
    cfg.sync_bn = None  # see `fit_for_cpus`
    if not is_distributed():
        seconds = cfg.env_cfg.dist_cfg.get('timeout')
        timeout = None if seconds is None else datetime.timedelta(seconds=seconds)
        torch.distributed.init_process_group('gloo', timeout=timeout)


def _check_gpu(local_rank: int, gpus: int) -> None:
    if local_rank >= gpus:
        raise UserError(
            f'one process per GPU: this machine has {gpus}, but was asked for at least '
            f'{local_rank + 1}. Start fewer (GPUS of tools/dist_train.sh), or look at '
            'CUDA_VISIBLE_DEVICES'
        )


def fit_for_cpus(model: nn.Module, logger: logging.Logger) -> nn.Module:
    """Say that processes train on the CPU, and replace what only GPUs can do: SyncBN.

    Does nothing where there are GPUs or there is one process.
    """
    if not is_distributed() or get_device() != 'cpu':
        return model
    logger.info(f'No GPU: {get_world_size()} processes on the CPU, backend gloo.')
    if any(isinstance(module, nn.SyncBatchNorm) for module in model.modules()):
        logger.warning('SyncBN needs GPUs: on the CPU it is BN, with statistics per process.')
        model = revert_sync_batchnorm(model)
    return model


def note_joint_batch(runner: Runner, batch_size: int) -> None:
    """Warn if a training resumes with another joint batch, and note the one it has.

    Args:
        batch_size: Of one process.
    """
    joint = get_world_size() * batch_size
    hub = runner.message_hub
    before = hub.runtime_info.get(_JOINT)
    if runner.iter > 0 and before not in (None, joint):
        runner.logger.warning(
            f'The joint batch was {before}, and now is {joint} ({get_world_size()} processes of '
            f'{batch_size}): images go on at draw {runner.iter * joint} of the stream, not at '
            f'{runner.iter * before}. Learning rates and schedule are those of the checkpoint.'
        )
    hub.update_info(_JOINT, joint)
