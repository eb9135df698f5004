"""Real trainings of a few iterations through the runner."""

import json
import shutil
import time

import pytest
import torch
from checkpoint_helpers import differing, load
from mmengine.optim import OptimWrapperDict

from mmseg_da.engine import DomainAdaptationRunner
from mmseg_da.engine.launch import build_runner
from mmseg_da.errors import UserError
from mmseg_da.models import DomainAdaptor, PixelDiscriminator

LOGGED = {
    'seg.decode.loss_ce',
    'seg.decode.acc_seg',
    'adv_decode.loss_fool',
    'adv_decode.loss_source',
    'adv_decode.loss_target',
    'segmentor.loss',
    'discriminators.loss',
    'segmentor.lr',
    'discriminators.lr',
}


def scalars(work_dir):
    (path,) = work_dir.glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in path.read_text().splitlines()]


EIGHT = {
    'train_cfg.max_iters': 8,
    'train_cfg.val_interval': 8,
    'default_hooks.checkpoint.interval': 4,
}


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory):
    return tmp_path_factory.mktemp('trained')


@pytest.fixture
def trained(work_dir, short_config):
    """The folder of a training of eight iterations, with checkpoints at four and eight."""
    if not (work_dir / 'iter_8.pth').is_file():
        runner = build_runner(short_config(work_dir, **EIGHT))
        assert type(runner) is DomainAdaptationRunner
        runner.train()
        assert isinstance(runner.optim_wrapper, OptimWrapperDict)
    return work_dir


@pytest.mark.stack
def test_training_leaves_the_files_of_mmseg(trained):
    (run,) = [path for path in trained.iterdir() if path.is_dir()]
    files = {path.name for path in trained.iterdir()} - {run.name}
    assert files == {'iter_4.pth', 'iter_8.pth', 'last_checkpoint', 'adaptsegnet_toy.py'}
    assert (trained / 'last_checkpoint').read_text() == str(trained / 'iter_8.pth')
    assert (run / f'{run.name}.log').is_file()
    assert (run / 'vis_data/config.py').is_file()


@pytest.mark.stack
def test_losses_are_logged_by_objective_and_phase(trained):
    rows = scalars(trained)
    training = [row for row in rows if 'segmentor.loss' in row]
    assert [row['iter'] for row in training] == list(range(1, 9))
    assert all(set(row) >= LOGGED for row in training)
    for row in training:
        fooled = row['seg.decode.loss_ce'] + row['adv_decode.loss_fool']
        assert row['segmentor.loss'] == pytest.approx(fooled, rel=1e-5)
        rivals = row['adv_decode.loss_source'] + row['adv_decode.loss_target']
        assert row['discriminators.loss'] == pytest.approx(rivals, rel=1e-5)
    assert training[0]['segmentor.lr'] > training[-1]['segmentor.lr'] > 0
    (validation,) = [row for row in rows if 'mIoU' in row]
    assert validation['step'] == 8
    assert 0 <= validation['mIoU'] <= 100
    assert {'aAcc', 'mAcc'} <= set(validation)


@pytest.mark.stack
def test_both_parts_are_trained(trained):
    at_4, at_8 = (load(trained / f'iter_{n}.pth')['state_dict'] for n in (4, 8))
    moved = {name.split('.')[0] for name in at_4 if not torch.equal(at_4[name], at_8[name])}
    assert moved == {'segmentor', 'objectives'}
    optimizers = load(trained / 'iter_8.pth')['optimizer']
    assert set(optimizers) == {'segmentor', 'discriminators'}


@pytest.mark.stack
def test_a_resumed_training_equals_an_uninterrupted_one(trained, short_config, tmp_path):
    shutil.copy(trained / 'iter_4.pth', tmp_path)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_4.pth'))
    build_runner(short_config(tmp_path, resume=True, **EIGHT)).train()
    straight, resumed = load(trained / 'iter_8.pth'), load(tmp_path / 'iter_8.pth')
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert differing(straight[key], resumed[key]) == []
    assert resumed['meta']['iter'] == straight['meta']['iter']
    rows = [row['iter'] for row in scalars(tmp_path) if 'segmentor.loss' in row]
    assert rows == [5, 6, 7, 8]


def test_resuming_without_a_checkpoint_starts_anew(short_config, tmp_path):
    build_runner(short_config(tmp_path, resume=True)).train()
    assert (tmp_path / 'iter_2.pth').is_file()


def test_one_optimizer_for_several_parts_is_refused(short_config, tmp_path):
    optimizer = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1), _delete_=True)
    runner = build_runner(short_config(tmp_path, optim_wrapper=optimizer))
    with pytest.raises(UserError, match='one optimizer, but this model trains') as error:
        runner.train()
    for word in ('discriminators', 'segmentor', 'PartwiseOptimWrapperConstructor'):
        assert word in str(error.value)


WHOLE = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3), _delete_=True)


@pytest.mark.stack
@pytest.mark.parametrize(
    ('theirs', 'options', 'parts'),
    [
        ('source_only_toy', {}, "['segmentor']"),
        ('source_only_toy', dict(optim_wrapper=WHOLE), 'the whole model'),
    ],
)
def test_a_checkpoint_of_another_method_is_not_resumed(
    short_config, tmp_path, theirs, options, parts
):
    options |= {'train_cfg.max_iters': 1, 'train_cfg.val_interval': 9}
    options |= {'default_hooks.checkpoint.interval': 1}
    build_runner(short_config(tmp_path, f'small/{theirs}', **options)).train()
    runner = build_runner(short_config(tmp_path, resume=True))
    with pytest.raises(UserError, match=r'iter_1\.pth: cannot resume') as error:
        runner.train()
    assert f"has optimizers of {parts}, but this config trains ['discriminators', 'segmentor']" in (
        str(error.value)
    )
    assert not (tmp_path / 'iter_2.pth').exists()


def test_a_missing_test_set_blocks_no_training(short_config, tmp_path):
    build_runner(short_config(tmp_path, **{'test_dataloader.dataset.data_root': 'nowhere'}))


@pytest.mark.parametrize('count', [9, 11])
def test_another_number_of_classes_than_the_data_has_is_refused(short_config, tmp_path, count):
    runner = build_runner(
        short_config(tmp_path, **{'model.segmentor.decode_head.num_classes': count})
    )
    with pytest.raises(UserError, match=rf'num_classes is {count} .* has 10 classes'):
        runner.train()


def test_a_sampler_of_plain_indices_is_refused(short_config, tmp_path):
    runner = build_runner(
        short_config(tmp_path, **{'train_dataloader.sampler.type': 'InfiniteSampler'})
    )
    with pytest.raises(UserError, match=r'InfiniteSampler .*SourceTargetSampler'):
        runner.train()


def test_one_optimizer_for_one_part_trains(short_config, tmp_path):
    optimizer = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1), _delete_=True)
    build_runner(short_config(tmp_path, 'small/source_only_toy', optim_wrapper=optimizer)).train()
    assert (tmp_path / 'iter_2.pth').is_file()


def test_missing_data_is_found_before_a_model_is_built(short_config, tmp_path, monkeypatch):
    cfg = short_config(tmp_path)
    cfg.train_dataloader.dataset.source.data_root = str(tmp_path / 'toy/gta')
    for kind in (DomainAdaptor, PixelDiscriminator):
        monkeypatch.setattr(kind, '__init__', lambda *_, **__: pytest.fail('built a model'))
    start = time.monotonic()
    with pytest.raises(UserError, match=r'toy/gta/images: no such folder\. Run `make toy`'):
        build_runner(cfg)
    assert time.monotonic() - start < 2
    assert list(tmp_path.iterdir()) == []


def test_a_plain_segmentor_checkpoint_is_a_start(trained, short_config, tmp_path):
    weights = load(trained / 'iter_8.pth')['state_dict']
    plain = {
        name.removeprefix('segmentor.'): tensor
        for name, tensor in weights.items()
        if name.startswith('segmentor.')
    }
    torch.save(dict(state_dict=plain), tmp_path / 'plain.pth')
    runner = build_runner(short_config(tmp_path, load_from=str(tmp_path / 'plain.pth')))
    runner.load_or_resume()
    ours = runner.model.segmentor.state_dict()
    assert differing(ours, plain) == []


def test_accumulation_updates_every_part_with_a_partial_last_group(short_config, tmp_path):
    options = {'optim_wrapper.accumulative_counts': 2, 'train_cfg.max_iters': 3}
    runner = build_runner(short_config(tmp_path, **options))
    updates = dict(segmentor=0, discriminators=0)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    for name, wrapper in runner.optim_wrapper.items():

        def step(*args, name=name, real=wrapper.optimizer.step, **kwargs):
            updates[name] += 1
            return real(*args, **kwargs)

        wrapper.optimizer.step = step
    runner.train()
    assert updates == dict(segmentor=2, discriminators=2)
