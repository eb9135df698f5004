"""A tiny toy data set, and the small AdaptSegNet config cut down to seconds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fresh_start import forget_runs
from mmengine.config import Config

from mmseg_da.engine.launch import load_config
from mmseg_da.testing.toy_domains import make_toy_domains

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


@pytest.fixture(scope='session')
def toy_data(tmp_path_factory) -> Path:
    """The folder that MMSEG_DA_DATA names, with six training images per domain."""
    root = tmp_path_factory.mktemp('data')
    make_toy_domains(root / 'toy', train=6, val=2)
    return root


@pytest.fixture
def short_config(toy_data, monkeypatch):
    """Give the config of a run of a few iterations; arguments as ``--cfg-options``."""
    monkeypatch.setenv('MMSEG_DA_DATA', str(toy_data))

    def make(work_dir: Path, name: str = 'small/adaptsegnet_toy', **options) -> Config:
        loader = dict(batch_size=2, num_workers=0, persistent_workers=False)
        short = dict(
            train_cfg=dict(max_iters=2, val_interval=2),
            train_dataloader=loader,
            val_dataloader=loader,
            test_dataloader=loader,
            default_hooks=dict(
                logger=dict(interval=1),
                checkpoint=dict(interval=2),
                adaptation_view=dict(interval=0),  # a sheet takes longer than two iterations
            ),
        )
        forget_runs()
        cfg = load_config(str(CONFIGS / f'{name}.py'), short, str(work_dir))
        cfg.merge_from_dict(options)
        return cfg

    return make


@pytest.fixture(scope='module')
def plainly_written() -> Iterator[None]:
    """Configs are written on one line, because laying them out takes most of a short run."""

    def as_it_is(text: str, **_: object) -> tuple[str, bool]:
        return text, True

    with pytest.MonkeyPatch.context() as patch:
        # onedl-mmengine imports it where it is used, mmengine at the top
        patch.setattr('yapf.yapflib.yapf_api.FormatCode', as_it_is)
        patch.setattr('mmengine.config.config.FormatCode', as_it_is, raising=False)
        yield
