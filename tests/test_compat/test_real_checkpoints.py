"""Checkpoints that a real Runner wrote are read by every path of mmengine."""

import json

import mmengine.runner
import numpy as np
import pytest
import torch
from compat_helpers import MAX_ITERS, ToyModel, make_runner, read_pickle, with_pickle
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

from mmseg_da.compat import checkpoint

pytestmark = pytest.mark.stack


@pytest.fixture(scope='module')
def weights(trained):
    """The trained weights, read by nothing of ours: they lie in the zip as bytes."""
    reader = torch._C.PyTorchFileReader(str(trained / 'iter_4.pth'))
    flat = reader.get_storage_from_record('data/0', 6, torch.float32)
    return torch.tensor(flat.untyped_storage(), dtype=torch.float32)[:6].reshape(2, 3)


def test_the_training_checkpoint_holds_what_torch_alone_refuses(trained):
    content = read_pickle(trained / 'iter_4.pth')
    assert b'mmengine.logging.history_buffer\nHistoryBuffer' in content
    assert b'getattr' in content
    with pytest.raises(Exception, match=r'HistoryBuffer|Unsupported'):
        torch.load(trained / 'iter_4.pth', weights_only=True)


def test_load_returns_real_buffers_with_their_values(trained, each_unpickler):
    loaded = checkpoint.load(trained / 'iter_4.pth')
    buffer = loaded['message_hub']['log_scalars']['train/loss']
    assert type(buffer) is HistoryBuffer
    logged = [json.loads(line)['loss'] for line in _scalars(trained)]
    assert len(logged) == MAX_ITERS
    history, counts = buffer.data
    assert type(history) is np.ndarray
    assert history.dtype == np.float64
    # The log shows the mean of a window that is longer than this run.
    means = np.cumsum(history) / np.arange(1, MAX_ITERS + 1)
    np.testing.assert_allclose(means, logged, rtol=1e-5)
    np.testing.assert_array_equal(counts, np.ones(MAX_ITERS))
    assert buffer.statistics('mean') == pytest.approx(logged[-1], rel=1e-5)
    buffer.update(1.0)
    assert buffer.current() == 1.0
    assert loaded['meta']['iter'] == MAX_ITERS


def _scalars(work_dir):
    (path,) = work_dir.glob('*/vis_data/scalars.json')
    return path.read_text().splitlines()


def test_resume_continues_like_an_uninterrupted_run(trained, tmp_path):
    resumed = make_runner(
        tmp_path / 'resumed', 6, load_from=str(trained / 'iter_2.pth'), resume=True
    )
    resumed.train()
    straight = make_runner(tmp_path / 'straight', 6)
    straight.train()
    assert resumed.iter == straight.iter == 6
    for got, expected in zip(resumed.model.parameters(), straight.model.parameters(), strict=True):
        torch.testing.assert_close(got, expected)
    history = resumed.message_hub.get_scalar('train/loss').data[0]
    assert len(history) == 6


def test_resume_finds_the_last_checkpoint(trained):
    runner = make_runner(trained, 5, resume=True)
    runner.load_or_resume()
    assert runner.iter == 4


def test_a_resumed_run_saves_a_checkpoint_that_resumes_again(trained, tmp_path):
    first = make_runner(tmp_path, 6, load_from=str(trained / 'iter_4.pth'), resume=True)
    first.train()
    again = make_runner(tmp_path / 'again', 8, load_from=str(tmp_path / 'iter_6.pth'), resume=True)
    again.load_or_resume()
    assert again.iter == 6
    assert b'mmseg_da' not in read_pickle(tmp_path / 'iter_6.pth')


def test_load_from_takes_the_weights_only(trained, tmp_path, weights):
    runner = make_runner(tmp_path, load_from=str(trained / 'iter_4.pth'))
    runner.load_or_resume()
    assert runner.iter == 0
    torch.testing.assert_close(runner.model.linear.weight.detach(), weights)


def test_init_cfg_pretrained(trained, weights):
    path = str(trained / 'iter_4.pth')
    model = ToyModel(init_cfg={'type': 'Pretrained', 'checkpoint': path})
    model.init_weights()
    torch.testing.assert_close(model.linear.weight.detach(), weights)


def test_init_cfg_pretrained_with_prefix(trained, weights):
    config = {'type': 'Pretrained', 'checkpoint': str(trained / 'iter_4.pth'), 'prefix': 'linear.'}
    linear = torch.nn.Linear(3, 2)
    mmengine.model.initialize(linear, config)
    torch.testing.assert_close(linear.weight.detach(), weights)


def test_load_checkpoint_function(trained, weights):
    model = ToyModel()
    mmengine.runner.load_checkpoint(model, str(trained / 'iter_4.pth'), map_location='cpu')
    torch.testing.assert_close(model.linear.weight.detach(), weights)


def test_ema_weights_resume(tmp_path):
    hooks = [{'type': 'EMAHook', 'momentum': 0.5}]
    make_runner(tmp_path, custom_hooks=hooks).train()
    runner = make_runner(tmp_path, 5, custom_hooks=hooks, resume=True)
    runner.train()
    assert runner.iter == 5


@pytest.mark.parametrize('module', ['numpy.core', 'numpy._core'])
def test_checkpoint_of_either_numpy(trained, tmp_path, module, each_unpickler):
    content = read_pickle(trained / 'iter_4.pth')
    renamed = content.replace(b'numpy._core.', b'numpy.core.').replace(
        b'numpy.core.', module.encode() + b'.'
    )
    assert module.encode() + b'.multiarray\n_reconstruct' in renamed
    path = with_pickle(trained / 'iter_4.pth', tmp_path / 'other.pth', renamed)
    model = ToyModel()
    loaded = CheckpointLoader.load_checkpoint(str(path))
    model.load_state_dict(loaded['state_dict'])
    assert loaded['message_hub']['log_scalars']['train/loss'].data[0].shape == (MAX_ITERS,)


@pytest.mark.parametrize(
    'value',
    [
        np.arange(6, dtype='>i2').reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([[True, False]]),
        np.array(['road', 'sky']),
        np.array([1 + 2j]),
        np.zeros((0, 4), np.uint8),
        np.float64(0.5),
        np.bool_(True),
        np.str_('sky'),
        np.str_(''),
    ],
    ids=repr,
)
def test_arrays_and_scalars_come_back_equal(tmp_path, value, each_unpickler):
    path = tmp_path / 'value.pth'
    torch.save({'value': value, 'nested': ([value], {'deep': (value, 1)})}, path)
    loaded = checkpoint.load(path)
    for got in (loaded['value'], loaded['nested'][0][0], loaded['nested'][1]['deep'][0]):
        assert type(got) is type(value)
        assert got.dtype == value.dtype
        np.testing.assert_array_equal(got, value)
    if value.ndim:
        assert loaded['value'].flags.writeable
        assert loaded['value'].flags.f_contiguous == value.flags.f_contiguous


@pytest.mark.parametrize('zipped', [True, False])
def test_plain_state_dicts_keep_metadata_and_sharing(tmp_path, zipped, each_unpickler):
    module = torch.nn.Sequential(torch.nn.BatchNorm2d(2), torch.nn.Linear(2, 2))
    state = module.state_dict()
    state['tied'] = state['1.weight']
    torch.save(state, tmp_path / 'a.pth', _use_new_zipfile_serialization=zipped)
    loaded = checkpoint.load(str(tmp_path / 'a.pth'), 'cpu')
    assert loaded._metadata['0']['version'] == 2
    assert loaded['tied'].data_ptr() == loaded['1.weight'].data_ptr()
    torch.testing.assert_close(loaded, state)


def test_a_stream_is_read_too(trained):
    with open(trained / 'iter_4.pth', 'rb') as stream:
        assert checkpoint.load(stream)['meta']['iter'] == MAX_ITERS


def test_our_names_are_gone_after_a_load(trained):
    if checkpoint._OLD_TORCH:
        pytest.skip('this torch has no list of allowed names')
    before = set(torch.serialization.get_safe_globals())
    checkpoint.load(trained / 'iter_4.pth')
    assert set(torch.serialization.get_safe_globals()) == before
    with pytest.raises(Exception, match='HistoryBuffer'):
        torch.load(trained / 'iter_4.pth', weights_only=True)
