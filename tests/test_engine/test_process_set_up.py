"""What several processes need before a runner is built, tried with one process of a launcher."""

import os
import weakref
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from dist_helpers import free_port
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmseg_da.engine import PhasedDDP, distributed, launch
from mmseg_da.engine.checkpoints import gather_gradients
from mmseg_da.engine.distributed import (
    fit_for_cpus,
    leaving_processes,
    prepare,
)
from mmseg_da.engine.launch import build_runner
from mmseg_da.engine.wrappers import share_buffers
from mmseg_da.errors import UserError

on_cpu = pytest.mark.skipif(distributed.get_device() != 'cpu', reason='there is a GPU')


@pytest.fixture
def launched(short_config, tmp_path, monkeypatch):
    """Give a config as a process has it that torchrun started alone; nothing is joined yet."""
    env = dict(RANK=0, LOCAL_RANK=0, WORLD_SIZE=1, MASTER_ADDR='127.0.0.1', MASTER_PORT=free_port())
    for name, value in env.items():
        monkeypatch.setenv(name, str(value))

    def make(**options):
        options = {'env_cfg.dist_cfg.backend': 'nccl', 'launcher': 'pytorch'} | options
        return short_config(tmp_path, **options)

    yield make
    if dist.is_initialized():
        dist.destroy_process_group()


@on_cpu
@pytest.mark.stack
def test_processes_without_a_gpu_join_by_gloo(launched, tmp_path):
    cfg = launched()
    runner = build_runner(cfg)
    assert dist.get_backend() == 'gloo'
    assert cfg.env_cfg.dist_cfg.backend == 'gloo'
    assert isinstance(runner.model, PhasedDDP)
    assert runner.model.device_ids is None
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert log.count('No GPU: 1 processes on the CPU, backend gloo.') == 1


@on_cpu
@pytest.mark.stack
def test_a_tool_frees_its_wrapper_and_leaves_the_group(launched):
    wrappers = []

    def main():
        runner = launch.train(launched(**{'train_cfg.max_iters': 1}))
        wrappers.append(weakref.ref(runner.model))

    with leaving_processes():
        main()
    assert [wrapper() for wrapper in wrappers] == [None]
    assert not dist.is_initialized()


def test_a_tool_of_one_process_has_no_group_to_leave():
    with leaving_processes():
        assert not dist.is_initialized()


def norms(kind: str) -> dict:
    """Options that normalise the whole segmentor in one way."""
    new = dict(type=kind, _delete_=True)
    return {f'model.segmentor.{part}.norm_cfg': new for part in ('backbone', 'decode_head')}


@on_cpu
@pytest.mark.stack
@pytest.mark.parametrize('key', ['norm_cfg', 'sync_bn'])
def test_sync_bn_becomes_bn_where_processes_have_no_gpu(launched, tmp_path, key):
    options = norms('SyncBN') if key == 'norm_cfg' else norms('BN') | dict(sync_bn='torch')
    kinds = [type(module) for module in build_runner(launched(**options)).model.modules()]
    assert nn.SyncBatchNorm not in kinds
    assert len([kind for kind in kinds if issubclass(kind, _BatchNorm)]) > 10
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert log.count('SyncBN needs GPUs') == (key == 'norm_cfg')


@pytest.mark.stack
def test_sync_bn_becomes_bn_throughout_where_there_is_one_process(short_config, tmp_path):
    runner = build_runner(short_config(tmp_path, **norms('SyncBN')))
    found = [m for m in runner.model.segmentor.modules() if isinstance(m, _BatchNorm)]
    assert len(found) > 10
    assert not any(isinstance(norm, nn.SyncBatchNorm) for norm in found)
    runner.train()
    assert (tmp_path / 'iter_2.pth').is_file()


def test_sync_bn_stays_where_there_are_gpus(launched, monkeypatch):
    prepare(launched())  # this machine may have no GPU: say that it has
    monkeypatch.setattr(distributed, 'get_device', lambda: 'cuda')
    model = nn.Sequential(nn.SyncBatchNorm(2))
    assert fit_for_cpus(model, logger=None) is model
    assert isinstance(model[0], nn.SyncBatchNorm)


@pytest.mark.parametrize('kind', ['MMDistributedDataParallel', 'mmseg.NoWrapper'])
def test_another_wrapper_is_refused_before_processes_join(launched, kind):
    cfg = launched(model_wrapper_cfg=dict(type=kind, _delete_=True))
    with pytest.raises(UserError) as error:
        build_runner(cfg)
    assert kind in str(error.value)
    assert "set model_wrapper_cfg=dict(type='mmseg.PhasedDDP')" in str(error.value)
    assert not dist.is_initialized()


@on_cpu
@pytest.mark.parametrize('wrapper', [None, dict(find_unused_parameters=True, _delete_=True)])
def test_a_phased_model_without_a_wrapper_gets_its_own(launched, wrapper):
    assert isinstance(build_runner(launched(model_wrapper_cfg=wrapper)).model, PhasedDDP)


@on_cpu
@pytest.mark.parametrize('launcher', ['slurm', 'mpi'])
def test_a_scheduler_that_gave_no_gpu_is_told(launched, launcher):
    with pytest.raises(
        UserError, match=rf'--launcher {launcher}: torch sees no GPU.*dist_train\.sh'
    ):
        build_runner(launched(launcher=launcher))


def test_more_processes_than_gpus_are_told():
    distributed._check_gpu(1, gpus=2)
    with pytest.raises(UserError, match='this machine has 2, but was asked for at least 3'):
        distributed._check_gpu(2, gpus=2)


def test_without_a_launcher_nothing_changes(short_config, tmp_path):
    cfg = short_config(tmp_path, **{'env_cfg.dist_cfg.backend': 'nccl'})
    before = cfg.to_dict()
    prepare(cfg)
    assert cfg.to_dict() == before


def on_two_ranks(rank: int, port: int, out: Path) -> None:
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    dist.init_process_group('gloo', rank=rank, world_size=2)
    model = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1), nn.Linear(1, 1))
    model[1].running_mean.fill_(rank + 1.0)
    model[0].weight.grad = torch.full((1, 2), rank + 1.0)
    if rank == 1:  # as an objective that found nothing to do on rank 0
        model[2].weight.grad = torch.ones(1, 1)
    gathered = gather_gradients(model)
    share_buffers(model)
    torch.save((gathered, model[1].running_mean), f'{out}-{rank}')
    dist.destroy_process_group()


@pytest.mark.stack
def test_gradients_are_stacked_and_buffers_shared_by_two_ranks(tmp_path):
    args = free_port(), tmp_path / 'out'
    mp.start_processes(on_two_ranks, args, nprocs=2, start_method='fork')
    for rank in range(2):
        gathered, mean = torch.load(f'{tmp_path}/out-{rank}', weights_only=True)
        assert mean.tolist() == [1.0]
        assert {name: each.flatten().tolist() for name, each in gathered.items()} == {
            '0.weight': [1.0, 1.0, 2.0, 2.0],
            '2.weight': [0.0, 1.0],
        }
