"""``python -m mmseg_da.check`` in sound and in broken environments."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmseg_da import check as check_module
from mmseg_da.compat import distributions

ROOT = Path(__file__).resolve().parents[1]


def check(*folders, flags=()) -> subprocess.CompletedProcess:
    path = os.pathsep.join([*map(str, folders), str(ROOT)])
    return subprocess.run(
        [sys.executable, *flags, '-m', 'mmseg_da.check'],
        env={**os.environ, 'PYTHONPATH': path},
        capture_output=True,
        text=True,
        timeout=240,
    )


def package(folder: Path, name: str, content: str) -> Path:
    (folder / name).mkdir()
    (folder / name / '__init__.py').write_text(content)
    return folder


def _slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


def findings(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 1, done.stdout + done.stderr
    assert 'Traceback' not in done.stdout + done.stderr
    assert 'Training cannot run' in done.stdout
    return done.stdout[done.stdout.index('\n\n') :]


@pytest.mark.stack
def test_a_sound_environment():
    done = check()
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'training step:    ok (loss 1.1' in done.stdout
    assert done.stdout.endswith('Training can run.\n')
    for import_name in distributions.OWNERS:
        for name, version in distributions.owners(import_name).items():
            assert f'{import_name + ":":<18}{name} {version}' in done.stdout


@pytest.mark.parametrize(
    ('version', 'supported'), [((3, 9), 0), ((3, 10), 1), ((3, 12, 9), 1), ((3, 13), 0)]
)
def test_the_wrong_python(monkeypatch, capsys, version, supported):
    monkeypatch.setattr(check_module, '_check_stack', lambda report: False)
    monkeypatch.setattr(sys, 'version_info', version)
    check_module.main()
    told = 'This Python is not supported. Make an environment with 3.10, 3.11 or 3.12'
    assert (told not in capsys.readouterr().out) == supported


@pytest.mark.stack
def test_the_wrong_mmcv(tmp_path):
    done = check(package(tmp_path, 'mmcv', "__version__ = '2.2.0'\n"), flags=['-X', 'utf8'])
    assert 'mmcv 2.2.0 is not supported: mmseg_da needs mmcv>=2.' in findings(done)
    assert 'Run: pip ' in findings(done)


@pytest.mark.parametrize(
    ('name', 'finding'),
    [
        ('torch', 'Run: pip install "torch>=2.'),
        _slow('mmengine', 'mmengine is not installed. Run: pip install "'),
        _slow('mmcv', 'mmcv is not installed. Run: pip install "'),
        _slow('mmseg', 'mmseg is not installed. Run: pip install "'),
        ('cv2', 'OpenCV is not installed. Run: pip install opencv-python'),
    ],
)
def test_a_missing_package(tmp_path, name, finding):
    content = f'raise ModuleNotFoundError("No module named {name!r}", name={name!r})\n'
    assert finding in findings(check(package(tmp_path, name, content)))


def test_missing_system_libraries(tmp_path):
    content = "raise ImportError('libGL.so.1: cannot open shared object file')\n"
    done = check(package(tmp_path, 'cv2', content))
    assert 'Run: apt-get install -y libgl1 libglib2.0-0' in findings(done)


@pytest.mark.slow
@pytest.mark.skipif(distributions.is_onedl('mmseg'), reason='upstream asks for them unguarded')
def test_a_missing_tokenizer(tmp_path):
    content = 'raise ModuleNotFoundError("No module named \'ftfy\'", name="ftfy")\n'
    assert 'Run: pip install ftfy regex' in findings(check(package(tmp_path, 'ftfy', content)))


def test_the_package_itself_fails_with_the_same_words(tmp_path):
    folder = package(tmp_path, 'mmcv', "__version__ = '2.2.0'\n")
    path = os.pathsep.join([str(folder), str(ROOT)])
    done = subprocess.run(
        [sys.executable, '-c', 'import mmseg_da'],
        env={**os.environ, 'PYTHONPATH': path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith('error: mmcv 2.2.0 is not supported')
