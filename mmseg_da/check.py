"""``python -m mmseg_da.check``: what is installed, what works, and what mends the rest.

Exit code 0 means that a training step of a small mmsegmentation model ran here.
"""

import importlib
import platform
import sys
import warnings
from collections.abc import Callable

from mmseg_da import compat
from mmseg_da.compat import distributions, ops_stub
from mmseg_da.errors import UserError
from mmseg_da.version import __version__

_LIBRARIES = 'Run: apt-get install -y libgl1 libglib2.0-0'


class Report:
    """Collects findings while it prints facts."""

    def __init__(self) -> None:
        self.findings: list[str] = []

    def fact(self, name: str, value: object) -> None:
        """Print one line of the report."""
        print(f'{name + ":":<18}{value}')

    def step(self, name: str, action: Callable[[], object], fix: str = '') -> bool:
        """Run ``action``, print its result, and keep what went wrong as a finding."""
        try:
            self.fact(name, action())
        except UserError as error:
            self._failed(name, str(error))
        except Exception as error:  # the purpose is to report whatever is broken
            self._failed(name, f'{type(error).__name__}: {error}. {fix}'.strip())
        else:
            return True
        return False

    def _failed(self, name: str, finding: str) -> None:
        self.fact(name, 'FAILED')
        if finding not in self.findings:
            self.findings.append(finding)


def main() -> int:
    """Print the report and return the exit code."""
    warnings.simplefilter('ignore')  # what matters of them is in the report
    report = Report()
    report.fact('mmseg_da', __version__)
    report.fact('Python', f'{platform.python_version()} on {platform.system()}')
    if not (3, 10) <= sys.version_info[:2] < (3, 13):
        report.findings.append(
            'This Python is not supported. Make an environment with 3.10, 3.11 or 3.12: '
            'python3.11 -m venv .venv'
        )
    for import_name in distributions.OWNERS:
        found = distributions.owners(import_name)
        listed = ', '.join(f'{name} {version}' for name, version in found.items())
        report.fact(import_name, listed or 'not installed')
    report.findings += distributions.double_installs()
    runs = _check_stack(report) and report.step('training step', _train_one_step)
    return _conclude(report, runs)


def _check_stack(report: Report) -> bool:
    """Check bottom up, and stop where nothing above can work."""
    return (
        report.step('torch', _torch, 'Run: pip install --force-reinstall torch')
        and report.step('NumPy', _numpy, 'Run: pip install numpy')
        and report.step('OpenCV', _opencv, _LIBRARIES)
        and report.step('versions', lambda: _versions('mmengine', 'mmcv'))
        and report.step('shims', _shims)
        and report.step('compiled ops', lambda: 'yes' if ops_stub.has_compiled_ops() else 'no')
        and report.step('mmsegmentation', lambda: _versions('mmseg'))
        and report.step('mmseg_da parts', _import_parts)
    )


def _versions(*names: str) -> str:
    compat.require_versions(*names)
    return ', '.join(f'{name} {importlib.import_module(name).__version__}' for name in names)


def _torch() -> str:
    compat.require_versions('torch')
    import torch

    cuda = 'no CUDA'
    if torch.cuda.is_available():
        cuda = f'CUDA {torch.version.cuda}, {torch.cuda.get_device_name(0)}'
    elif torch.version.cuda:
        cuda = f'built for CUDA {torch.version.cuda}, but no GPU is usable'
    return f'{torch.__version__}, {cuda}'


def _numpy() -> str:
    import numpy as np
    import torch

    try:
        torch.zeros(1).numpy()
    except RuntimeError as error:  # torch up to 2.2 was built for NumPy 1
        raise UserError(
            f'torch {torch.__version__} cannot work with NumPy {np.__version__} ({error}). '
            'Run: pip install "numpy<2"'
        ) from error
    return np.__version__


def _opencv() -> str:
    try:
        import cv2
    except ModuleNotFoundError as error:
        if error.name != 'cv2':
            raise
        raise UserError('OpenCV is not installed. Run: pip install opencv-python') from None
    return cv2.__version__


def _shims() -> str:
    compat.install()
    return ', '.join(compat.active_shims()) or 'none'


def _import_parts() -> str:
    parts = ('models', 'datasets', 'engine', 'evaluation', 'visualization')
    for part in parts:
        try:
            importlib.import_module(f'mmseg_da.{part}')
        except ModuleNotFoundError as error:
            if error.name not in ('ftfy', 'regex'):
                raise
            message = f'mmsegmentation needs the module {error.name}. Run: pip install ftfy regex'
            raise UserError(message) from None
    return ', '.join(parts)


def _train_one_step() -> str:
    """Train one step for real: imports alone do not show that ops and NumPy fit together."""
    import torch
    from mmengine.structures import PixelData
    from mmseg.registry import MODELS
    from mmseg.structures import SegDataSample

    torch.manual_seed(0)
    norm = {'type': 'BN'}
    model = MODELS.build(
        {
            'type': 'mmseg.EncoderDecoder',
            'backbone': {
                'type': 'mmseg.ResNetV1c',
                'depth': 18,
                'base_channels': 8,
                'num_stages': 2,
                'strides': (1, 2),
                'dilations': (1, 1),
                'out_indices': (1,),
                'norm_cfg': norm,
            },
            'decode_head': {
                'type': 'mmseg.FCNHead',
                'in_channels': 16,
                'channels': 8,
                'num_convs': 1,
                'num_classes': 3,
                'norm_cfg': norm,
                'loss_decode': {'type': 'mmseg.CrossEntropyLoss'},
            },
        }
    )
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.randint(0, 3, (1, 32, 32))))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = model.loss(torch.rand(2, 3, 32, 32), [sample, sample])['decode.loss_ce']
    loss.backward()
    optimizer.step()
    return f'ok (loss {loss.item():.3f})'


def _conclude(report: Report, runs: bool) -> int:
    print()
    for number, finding in enumerate(report.findings, start=1):
        print(f'{number}. {finding}')
    print('Training can run.' if runs else 'Training cannot run: mend the above, then check again.')
    return 0 if runs else 1


if __name__ == '__main__':
    sys.exit(main())
