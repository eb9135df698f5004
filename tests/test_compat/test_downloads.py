"""Pretrained weights: cached ones load without a network, others say what to fetch and where."""

import functools
import http.server
import socket
import threading
import time
import zipfile
from urllib.parse import urlparse

import mmengine.runner
import pytest
import torch
from compat_helpers import ToyModel
from mmengine.runner import CheckpointLoader

from mmseg_da.compat import downloads
from mmseg_da.errors import UserError

pytestmark = pytest.mark.stack

WEIGHTS = {
    'torchvision://resnet101': 'https://download.pytorch.org/models/resnet101-63fe2227.pth',
    'open-mmlab://resnet50_v1c': (
        'https://download.openmmlab.com/pretrain/third_party/resnet50_v1c-2cccc1ad.pth'
    ),
    'open-mmlab://detectron2/resnet101_caffe': (
        'https://download.openmmlab.com/pretrain/third_party/resnet101_msra-6cc46731.pth'
    ),
    'https://example.invalid/zoo/model.pth': 'https://example.invalid/zoo/model.pth',
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Give torch a cache of its own, and no network but this machine."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr(torch.hub, '_hub_dir', None)
    for name in (
        'http_proxy',
        'https_proxy',
        'HTTP_PROXY',
        'HTTPS_PROXY',
        'ALL_PROXY',
        'all_proxy',
    ):
        monkeypatch.setenv(name, 'http://127.0.0.1:9')
    for name in ('no_proxy', 'NO_PROXY'):
        monkeypatch.setenv(name, '127.0.0.1')
    return tmp_path / 'hub' / 'checkpoints'


@pytest.fixture
def server(tmp_path):
    """Serve a folder on this machine."""
    folder = tmp_path / 'served'
    folder.mkdir()
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield folder, f'http://127.0.0.1:{running.server_port}'
        running.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def send_header(self, keyword, value):
        # A file of this name is announced as longer than it is, like a broken connection.
        if keyword == 'Content-Length' and self.path.endswith('cut.pth'):
            value = str(int(value) + 100)
        super().send_header(keyword, value)


@pytest.mark.parametrize('name', WEIGHTS)
def test_offline_names_the_url_and_the_file(cache, name):
    url = WEIGHTS[name]
    started = time.monotonic()
    with pytest.raises(UserError) as caught:
        CheckpointLoader.load_checkpoint(name, 'cpu')
    assert time.monotonic() - started < 20
    message = str(caught.value)
    # The onedl packages fetch the same files from a host of their own.
    assert urlparse(url).path in message
    assert 'https://' in message
    assert str(cache / url.rpartition('/')[2]) in message
    assert list(cache.glob('*')) == []


@pytest.mark.parametrize('name', WEIGHTS)
def test_a_cached_file_is_loaded_without_network(cache, name):
    cache.mkdir(parents=True)
    state = ToyModel().state_dict()
    torch.save(state, cache / WEIGHTS[name].rpartition('/')[2])
    model = ToyModel(init_cfg={'type': 'Pretrained', 'checkpoint': name})
    model.init_weights()
    torch.testing.assert_close(dict(model.state_dict()), dict(state))


def test_a_download_is_kept_and_used_again(cache, server):
    folder, address = server
    state = ToyModel().state_dict()
    torch.save(state, folder / 'model.pth')
    for _ in range(2):
        loaded = mmengine.runner.load_checkpoint(ToyModel(), f'{address}/model.pth')
        torch.testing.assert_close(dict(loaded), dict(state))
        (folder / 'model.pth').unlink(missing_ok=True)
    assert [path.name for path in cache.iterdir()] == ['model.pth']


@pytest.mark.parametrize(
    ('file', 'reason'), [('cut.pth', 'got 3 of 103'), ('none.pth', 'File not found')]
)
def test_a_failed_download_leaves_nothing(cache, server, file, reason):
    folder, address = server
    (folder / 'cut.pth').write_bytes(b'abc')
    with pytest.raises(UserError, match=reason):
        CheckpointLoader.load_checkpoint(f'{address}/{file}')
    assert list(cache.iterdir()) == []


def test_a_silent_host_is_given_up(cache, monkeypatch):
    monkeypatch.setattr(downloads, 'TIMEOUT_SECONDS', 1)
    with socket.create_server(('127.0.0.1', 0)) as silent:
        started = time.monotonic()
        with pytest.raises(UserError, match='timed out'):
            CheckpointLoader.load_checkpoint(f'http://127.0.0.1:{silent.getsockname()[1]}/a.pth')
    assert time.monotonic() - started < 10


def test_a_hostile_download_is_refused(cache, server):
    folder, address = server
    torch.save({'state_dict': time.sleep}, folder / 'hostile.pth')
    with pytest.raises(UserError, match=r'checkpoints/hostile\.pth was refused \(time\.sleep\)'):
        CheckpointLoader.load_checkpoint(f'{address}/hostile.pth')


def test_a_zipped_file_is_read(cache):
    cache.mkdir(parents=True)
    torch.save({'a': torch.ones(1)}, cache / 'inner.pth')
    with zipfile.ZipFile(cache / 'model.pth', 'w') as archive:
        archive.write(cache / 'inner.pth', 'inner.pth')
    loaded = CheckpointLoader.load_checkpoint('https://example.invalid/model.pth')
    assert loaded['a'].item() == 1


@pytest.mark.parametrize('name', ['torchvision://resnet7', 'open-mmlab://resnet7'])
def test_an_unknown_name_is_named(cache, name):
    with pytest.raises(UserError, match='resnet7'):
        CheckpointLoader.load_checkpoint(name)


def test_a_folder_that_cannot_be_written_is_named(cache, server):
    cache.parent.mkdir(parents=True)
    cache.write_text('a file where the folder should be')
    folder, address = server
    (folder / 'model.pth').write_bytes(b'abc')
    with pytest.raises(UserError, match='cannot download'):
        CheckpointLoader.load_checkpoint(f'{address}/model.pth')
