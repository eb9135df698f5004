"""Files that want more than to be read are refused in one message, and run nothing."""

import io
import os
import pickle
import tarfile
import zipfile

import mmengine.runner
import numpy as np
import pytest
import torch
from compat_helpers import ToyModel, legacy_checkpoint, make_runner, zip_checkpoint
from mmengine.logging import HistoryBuffer

from mmseg_da.compat import checkpoint
from mmseg_da.errors import UserError

pytestmark = pytest.mark.stack

BUFFER = b'cmmengine.logging.history_buffer\nHistoryBuffer\n'
GETATTR = b'c__builtin__\ngetattr\n'
WRITERS = {'zip': zip_checkpoint, 'legacy': legacy_checkpoint}


class Touch:
    """Unpickled as is, it creates a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f'touch {self.marker}',)


def text(value: str) -> bytes:
    return b'X' + len(value).to_bytes(4, 'little') + value.encode()


def raw(value: bytes) -> bytes:
    """Return opcodes for bytes, as protocol 2 writes them."""
    return b'c_codecs\nencode\n' + text(value.decode('latin1')) + text('latin1') + b'\x86R'


def attribute(owner: bytes, name: str) -> bytes:
    """Return opcodes for ``getattr(owner, name)``."""
    return GETATTR + owner + text(name) + b'\x86R'


def chains(marker) -> dict[str, bytes]:
    """Return pickles that reach for more through names that checkpoints do need."""
    call = text(f'touch {marker}') + b'\x85R'
    init_globals = attribute(attribute(BUFFER, '__init__'), '__globals__')
    forged = (
        b'cnumpy\nndarray\nK\x01\x85cnumpy\ndtype\n'
        + text('O')
        + b'\x85R'
        + raw(b'A' * 8)
        + b'\x87R'
    )
    by_class = attribute(attribute(BUFFER, '__class__'), '__subclasses__') + b')R'
    structured = b'(K\x03' + text('|') + b'N' + text('f') + b'\x85}NNNtb'
    return {
        'getattr to the globals of a method': attribute(init_globals, 'get')
        + text('os')
        + b'\x85R',
        'getattr to all classes': by_class,
        'getattr of an array': attribute(b'cnumpy\nndarray\n', 'tofile'),
        'getattr to register a function': attribute(BUFFER, 'register_statistics') + call,
        'getattr of a dunder': attribute(BUFFER, '__reduce__'),
        'getattr that is called': attribute(BUFFER, 'mean') + call,
        'getattr of getattr': attribute(GETATTR, '__self__'),
        'an array over foreign memory': forged,
        'a dtype of objects': b'cnumpy\ndtype\n' + text('O') + b'\x85R',
        'a structured dtype': b'cnumpy\ndtype\n' + text('f8') + b'\x85R' + structured,
        'a reconstructed other class': b'cnumpy.core.multiarray\n_reconstruct\n'
        + BUFFER
        + b')N\x87R',
        'a scalar of an object': b'cnumpy.core.multiarray\nscalar\n' + BUFFER + b'}\x86R',
        'a buffer with state for its class': BUFFER + b'}' + text('mean') + b'Nsb',
        'exec': b'c__builtin__\nexec\n' + call,
        'posix.system': b'cposix\nsystem\n' + call,
        'partial': b'cfunctools\npartial\ncposix\nsystem\n\x85R',
        'an instance': b'(' + text(f'touch {marker}') + b'ios\nsystem\n',
        'the class itself': BUFFER,
        'a buffer without content': BUFFER + b')\x81',
        'an array of bytes too few': _array(raw(b'AAAA')),
        'an array of objects': _array(b']'),
        'many bytes': b'c__builtin__\nbytes\nJ\x00\x00\x00\x70\x85R',
        'a persistent module': b'(' + text('module') + b'K\x01tQ',
    }


def _array(content: bytes) -> bytes:
    empty = (
        b'cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85' + raw(b'b') + b'\x87R'
    )
    return empty + b'(K\x01K\x01\x85cnumpy\ndtype\n' + text('f8') + b'\x85R\x89' + content + b'tb'


def wrapped(value: bytes) -> bytes:
    """Return the pickle of ``{'state_dict': value}``."""
    return b'\x80\x02}' + text('state_dict') + value + b's.'


def refusal(path) -> str:
    with pytest.raises(UserError) as caught:
        checkpoint.load(path)
    message = str(caught.value)
    assert str(path) in message
    return message


def test_the_payload_is_live(tmp_path):
    """Without protection it does run: the other tests would notice."""
    pickle.loads(pickle.dumps(Touch(tmp_path / 'marker'), protocol=2))
    assert (tmp_path / 'marker').exists()


@pytest.mark.parametrize('zipped', [True, False])
def test_a_reduced_call_is_refused(tmp_path, zipped, each_unpickler):
    path, marker = tmp_path / 'hostile.pth', tmp_path / 'marker'
    content = {'state_dict': {}, 'meta': {'deep': [Touch(marker)]}}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert 'posix.system' in refusal(path)
    assert not marker.exists()


@pytest.mark.parametrize('writer', WRITERS)
@pytest.mark.parametrize('chain', chains('x'))
def test_a_chain_of_needed_names_is_refused(tmp_path, chain, writer, each_unpickler):
    marker = tmp_path / 'marker'
    content = wrapped(chains(marker)[chain])
    before = dict(HistoryBuffer._statistics_methods)
    refusal(WRITERS[writer](tmp_path / 'hostile.pth', content))
    assert not marker.exists()
    assert HistoryBuffer._statistics_methods == before


def torchscript_archive(path, marker):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(path))


def legacy_tar(path, marker):
    with tarfile.open(path, 'w') as archive:
        for name in ('storages', 'tensors', 'pickle'):
            content = pickle.dumps(Touch(marker) if name == 'pickle' else 0, protocol=2)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
@pytest.mark.parametrize('opened', ['path', 'file', 'bytes'])
@pytest.mark.parametrize(
    ('write', 'kind'), [(torchscript_archive, 'TorchScript archive'), (legacy_tar, 'legacy tar')]
)
def test_an_archive_that_torch_reads_without_its_unpickler_never_reaches_torch(
    tmp_path, monkeypatch, write, kind, opened, each_unpickler
):
    path, marker = tmp_path / 'hostile.pth', tmp_path / 'marker'
    write(path, marker)
    reached = []
    monkeypatch.setattr(torch, 'load', lambda *args, **kwargs: reached.append(args))
    monkeypatch.setattr(torch.jit, 'load', lambda *args, **kwargs: reached.append(args))
    with open(path, 'rb') as file, pytest.raises(UserError, match=f'{kind} is no checkpoint') as e:
        checkpoint.load(
            {'path': path, 'file': file, 'bytes': io.BytesIO(path.read_bytes())}[opened]
        )
    assert ('the checkpoint' if opened == 'bytes' else str(path)) in str(e.value)
    assert reached == []
    assert not marker.exists()


@pytest.mark.parametrize('zipped', [True, False])
def test_a_stream_is_read_from_where_it_stands(tmp_path, zipped, each_unpickler):
    stream = io.BytesIO(b'head')
    stream.seek(4)
    torch.save({'a': torch.ones(2)}, stream, _use_new_zipfile_serialization=zipped)
    stream.seek(4)
    torch.testing.assert_close(checkpoint.load(stream)['a'], torch.ones(2))


@pytest.mark.parametrize('writer', WRITERS)
def test_the_writers_write_what_loads(tmp_path, writer, each_unpickler):
    path = WRITERS[writer](tmp_path / 'good.pth', wrapped(text('fine')))
    assert checkpoint.load(path) == {'state_dict': 'fine'}


def test_a_buffer_cannot_change_the_statistics_of_all_buffers(tmp_path, each_unpickler):
    array = _array(raw(np.float64(2).tobytes()))
    state = b'}(' + text('max_length') + b'K\x05'
    state += text('_log_history') + array + text('_count_history') + array
    state += text('statistics_methods') + b'}' + text('mean') + attribute(BUFFER, 'max') + b's'
    content = wrapped(BUFFER + b')\x81' + state + b'ub')
    loaded = checkpoint.load(zip_checkpoint(tmp_path / 'a.pth', content))['state_dict']
    assert loaded.mean() == 1.0
    assert HistoryBuffer._statistics_methods['mean'] is HistoryBuffer.mean


@pytest.mark.parametrize('path_of', ['resume', 'load_from', 'init_cfg', 'function', 'api'])
def test_every_path_of_mmengine_refuses(tmp_path, path_of):
    path, marker = tmp_path / 'hostile.pth', tmp_path / 'marker'
    torch.save({'state_dict': {}, 'meta': Touch(marker)}, path)
    with pytest.raises(UserError, match=r'hostile\.pth was refused'):
        _load_by(path_of, str(path), tmp_path)
    assert not marker.exists()


def _load_by(path_of: str, path: str, work_dir) -> None:
    if path_of in ('resume', 'load_from'):
        make_runner(work_dir, load_from=path, resume=path_of == 'resume').load_or_resume()
    elif path_of == 'init_cfg':
        ToyModel({'type': 'Pretrained', 'checkpoint': path}).init_weights()
    elif path_of == 'function':
        mmengine.runner.load_checkpoint(ToyModel(), path)
    else:
        from mmengine.config import Config
        from mmseg.apis import init_model

        head = {'type': 'FCNHead', 'in_channels': 8, 'channels': 4, 'num_classes': 2}
        backbone = {'type': 'ResNet', 'depth': 18, 'base_channels': 4, 'num_stages': 2}
        backbone.update(strides=(1, 1), dilations=(1, 1), out_indices=(1,))
        model = {'type': 'EncoderDecoder', 'backbone': backbone, 'decode_head': head}
        init_model(Config({'model': model, 'default_scope': 'mmseg'}), path, device='cpu')


@pytest.mark.parametrize('argument', [{'weights_only': False}, {'pickle_module': pickle}])
def test_no_caller_can_open_the_door(tmp_path, argument):
    path, marker = tmp_path / 'hostile.pth', tmp_path / 'marker'
    torch.save(Touch(marker), path)
    with pytest.raises(UserError):
        mmengine.runner.checkpoint.torch.load(path, **argument)
    assert not marker.exists()


def test_the_environment_cannot_open_the_door(tmp_path, monkeypatch):
    path, marker = tmp_path / 'hostile.pth', tmp_path / 'marker'
    torch.save(Touch(marker), path)
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    refusal(path)
    assert not marker.exists()


def test_names_allowed_elsewhere_do_not_displace_ours(tmp_path):
    if checkpoint._OLD_TORCH:
        pytest.skip('this torch has no list of allowed names')
    path = zip_checkpoint(tmp_path / 'a.pth', wrapped(attribute(BUFFER, '__init__')))
    with torch.serialization.safe_globals([getattr, np.ndarray]):
        assert 'getattr' in refusal(path)
        assert getattr in torch.serialization.get_safe_globals()


@pytest.mark.parametrize('keep', [0, 1, 100, 0.5, 0.99])
def test_a_cut_file_is_named(trained, tmp_path, keep, each_unpickler):
    content = (trained / 'iter_4.pth').read_bytes()
    path = tmp_path / 'cut.pth'
    path.write_bytes(content[: int(keep * len(content)) if 0 < keep < 1 else int(keep)])
    assert 'damaged' in refusal(path)


@pytest.mark.parametrize(
    'content', [b'hello\n', b'<html>not found</html>', b'\x89PNG\r\n', pickle.dumps({'a': 1})]
)
def test_a_file_of_another_kind_is_named(tmp_path, content, each_unpickler):
    path = tmp_path / 'other.pth'
    path.write_bytes(content)
    assert 'is not a checkpoint' in refusal(path)


def test_a_zip_of_another_kind_is_named(tmp_path, each_unpickler):
    path = tmp_path / 'other.pth'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('readme.txt', 'hello')
    assert 'is not a checkpoint' in refusal(path)


def test_a_list_is_not_a_checkpoint(tmp_path):
    path = tmp_path / 'list.pth'
    torch.save([1, 2], path)
    with pytest.raises(UserError, match=r'list\.pth is not a checkpoint: it holds a list'):
        mmengine.runner.load_checkpoint(ToyModel(), str(path))


@pytest.mark.parametrize('resume', [True, False])
def test_a_missing_file_is_named(tmp_path, resume):
    runner = make_runner(tmp_path, load_from='nowhere/iter_1.pth', resume=resume)
    with pytest.raises(UserError, match=r'nowhere/iter_1\.pth does not exist .looked in /'):
        runner.load_or_resume()
