"""Two processes through tools/dist_train.sh: killed, told to end, resumed, on other numbers."""

import random
import signal
import time
from pathlib import Path

import pytest
import torch
from checkpoint_helpers import differing, load
from dist_helpers import finish, kill, start_two, wait_for

from mmseg_da.datasets import SourceTargetDataset
from mmseg_da.engine.launch import build_runner

pytestmark = [pytest.mark.slow, pytest.mark.stack, pytest.mark.timeout(900)]

COUNT = 'optim_wrapper.accumulative_counts'


def assert_same(one: Path, other: Path) -> None:
    one, other = load(one), load(other)
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert differing(one[key], other[key]) == []


def train_two(work_dir: Path, data: Path, iterations: int, *options: str) -> str:
    process = start_two(work_dir, data, f'train_cfg.max_iters={iterations}', *options)
    out = finish(process)
    assert process.returncode == 0, out
    return out


@pytest.fixture(scope='module', params=[1, 3])
def whole(request, tmp_path_factory, toy_data):
    """Twelve iterations that nothing disturbed, with and without accumulation."""
    work_dir = tmp_path_factory.mktemp('whole')
    train_two(work_dir, toy_data, 12, f'{COUNT}={request.param}')
    return work_dir, request.param


def test_two_killed_processes_continue_exactly(whole, toy_data, tmp_path):
    undisturbed, count = whole
    options = f'{COUNT}={count}', 'train_cfg.max_iters=12'
    killed = start_two(tmp_path, toy_data, *options, 'train_dataloader.num_workers=1')
    wait_for(lambda: (tmp_path / 'iter_4.pth').exists(), killed)
    time.sleep(2 * random.SystemRandom().random())
    kill(killed)
    newest = max(tmp_path.glob('iter_*.pth'), key=lambda path: int(path.stem[5:]))
    if count == 1:  # as if the crash had cut it short
        newest.write_bytes(newest.read_bytes()[:5000])
    else:  # make it between two updates: the fourth iteration is the first of a group of three
        for path in tmp_path.glob('iter_*.pth'):
            if int(path.stem[5:]) > 4:
                path.unlink()
        (tmp_path / 'last_checkpoint').unlink()
        gradients = load(tmp_path / 'iter_4.pth')['gradients']
        assert all(len(each) == 2 for each in gradients.values())
        assert any(not torch.equal(*each) for each in gradients.values())
    out = train_two(tmp_path, toy_data, 12, f'{COUNT}={count}')
    assert ('Trying the checkpoint before it' in out) == (count == 1)
    assert_same(undisturbed / 'iter_12.pth', tmp_path / 'iter_12.pth')


@pytest.fixture
def resume_alone(short_config, whole, tmp_path, monkeypatch):
    """Resume iteration 4 of the two processes in this one; gives the runner and what it read."""
    drawn = []
    read_item = SourceTargetDataset.__getitem__

    def counting(self, index):
        drawn.append(index)
        return read_item(self, index)

    monkeypatch.setattr(SourceTargetDataset, '__getitem__', counting)

    def resume(batch_size: int):
        (tmp_path / 'iter_4.pth').write_bytes((whole[0] / 'iter_4.pth').read_bytes())
        options = {
            'train_dataloader.batch_size': batch_size,
            'train_cfg.max_iters': 5,
            'train_cfg.val_interval': 100,
            'resume': True,
            COUNT: whole[1],
        }
        return build_runner(short_config(tmp_path, **options)), drawn

    return resume


def log_of(work_dir: Path) -> str:
    return '\n'.join(path.read_text() for path in work_dir.glob('*/*.log'))


def test_one_process_with_the_same_joint_batch_goes_on_in_the_stream(resume_alone, tmp_path):
    runner, drawn = resume_alone(batch_size=4)
    runner.train()
    sampler = runner.train_dataloader.sampler
    assert drawn == [sampler.draw(position) for position in range(16, 20)]
    assert 'joint batch was' not in log_of(tmp_path)


def test_another_joint_batch_goes_on_where_it_would_be_and_says_so(resume_alone, tmp_path):
    runner, drawn = resume_alone(batch_size=3)
    runner.train()
    sampler = runner.train_dataloader.sampler
    assert drawn == [sampler.draw(position) for position in range(12, 15)]
    said = 'The joint batch was 4, and now is 3 (1 processes of 3): images go on at draw 12'
    assert said in log_of(tmp_path)


def test_one_process_takes_the_mean_of_the_gradients_of_two(resume_alone, whole, tmp_path):
    runner, _ = resume_alone(batch_size=4)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.load_or_resume()
    saved = load(whole[0] / 'iter_4.pth').get('gradients', {})
    found = {n: p.grad for n, p in runner.model.named_parameters() if p.grad is not None}
    assert found.keys() == saved.keys()
    assert bool(saved) == (whole[1] == 3)
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, saved[name].mean(0), rtol=0, atol=0)


def test_two_processes_that_are_told_to_end_agree_save_and_end(toy_data, tmp_path):
    # torchrun hands the signal to each whole family: also workers, which must outlive it
    told = start_two(
        tmp_path, toy_data, 'train_cfg.max_iters=500', 'train_dataloader.num_workers=1'
    )
    wait_for(lambda: (tmp_path / 'iter_2.pth').exists(), told)
    told.send_signal(signal.SIGTERM)
    out = finish(told)
    assert told.returncode == 128 + signal.SIGTERM, out
    saved = Path((tmp_path / 'last_checkpoint').read_text())
    assert out.count(f'Told to end: saved {saved}. Continue with --resume.') == 1
    assert 'Traceback' not in out
    iteration = load(saved)['meta']['iter']
    assert iteration % 10 == 0
    assert 0 < iteration < 500
    train_two(tmp_path, toy_data, iteration + 2)
    assert (tmp_path / f'iter_{iteration + 2}.pth').is_file()
