"""The stand-in for ``mmcv._ext``, each time in a fresh interpreter."""

import importlib.machinery
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmseg_da import compat
from mmseg_da.compat import distributions, ops_stub

pytestmark = pytest.mark.stack

ROOT = Path(__file__).resolve().parents[2]
needs_stub = pytest.mark.skipif(not ops_stub.is_stub(), reason='this mmcv needs no stand-in')


def run(code: str, *folders, **environment) -> subprocess.CompletedProcess:
    path = os.pathsep.join([*map(str, folders), str(ROOT)])
    return subprocess.run(
        [sys.executable, '-c', code],
        env={**os.environ, 'PYTHONPATH': path, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
@needs_stub
def test_without_it_mmseg_cannot_be_imported():
    done = run('import mmseg.models')
    assert "No module named 'mmcv._ext'" in done.stderr


@needs_stub
def test_with_it_mmseg_works_and_a_compiled_op_says_what_is_missing():
    done = run(
        'import warnings\n'
        'with warnings.catch_warnings(record=True) as caught:\n'
        '    warnings.simplefilter("always")\n'
        '    import mmseg_da, mmseg.apis\n'
        '    mmseg_da.compat.install()\n'
        'print(sum("compiled ops" in str(item.message) for item in caught), "warning")\n'
        'import torch, mmcv.ops\n'
        'from mmengine.model.utils import mmcv_full_available\n'
        'print(mmcv_full_available())\n'
        'points = mmcv.ops.point_sample(torch.ones(1, 1, 4, 4), torch.rand(1, 3, 2))\n'
        'print(points.shape)\n'
        'mmcv.ops.PSAMask("collect", (3, 3))(torch.rand(1, 9, 4, 4))\n'
    )
    assert done.stdout.split('\n')[:3] == ['1 warning', 'False', 'torch.Size([1, 1, 3])']
    assert "RuntimeError: the op 'psamask_forward' needs an mmcv with compiled ops" in done.stderr


@needs_stub
def test_opt_out():
    done = run('import mmseg_da', MMSEG_DA_NO_SHIM='1')
    assert done.returncode != 0
    assert "No module named 'mmcv._ext'" in done.stderr


@pytest.mark.skipif(not distributions.is_onedl('mmseg'), reason='for the onedl packages')
def test_onedl_needs_none():
    assert not ops_stub.is_stub()
    assert compat.active_shims() == ['allow-list checkpoint loader']


def test_install_is_idempotent():
    before = compat.active_shims()
    compat.install()
    assert compat.active_shims() == before
    assert 'allow-list checkpoint loader' in before


def fake_mmcv(folder: Path, extension: str, content: str) -> Path:
    package = folder / 'mmcv'
    package.mkdir()
    version = '2.3.6' if distributions.is_onedl('mmseg') else '2.1.0'
    (package / '__init__.py').write_text(f'__version__ = {version!r}\n')
    (package / f'_ext{extension}').write_text(content)
    return folder


def test_a_real_extension_is_left_alone(tmp_path):
    folder = fake_mmcv(tmp_path, '.py', 'real = True\n')
    # Alone, as the package would go on to import an mmseg that does not fit the fake.
    done = run(
        'import sys, types\n'
        f'package = types.ModuleType("mmseg_da"); package.__path__ = [{str(ROOT / "mmseg_da")!r}]\n'
        'sys.modules["mmseg_da"] = package\n'
        'from mmseg_da.compat import ops_stub\n'
        'print(ops_stub.install(), ops_stub.has_compiled_ops())\n'
        'import mmcv._ext; print(mmcv._ext.real)',
        folder,
    )
    assert done.stdout.split() == ['False', 'True', 'True'], done.stderr


def test_an_extension_for_another_torch_is_explained(tmp_path):
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    folder = fake_mmcv(tmp_path, suffix, 'not a library')
    done = run('import mmseg_da', folder)
    last = done.stderr[done.stderr.index('error: the compiled ops of') :]
    assert done.returncode == 2
    assert f'do not fit torch {torch.__version__}' in last
    for name, version in distributions.owners('mmcv').items():
        assert f'{name} {version}' in last
    assert 'pip uninstall -y' in last
