"""Self-training and masking through the runner do not read the target's labels."""

import shutil

import pytest
from checkpoint_helpers import differing, load

from mmseg_da.engine.launch import build_runner


@pytest.mark.stack
@pytest.mark.parametrize('name', ['dacs_toy', 'mic_toy'])
def test_deleted_target_labels_change_nothing(
    short_config, plainly_written, toy_data, tmp_path, monkeypatch, name
):
    def train(folder):
        build_runner(short_config(tmp_path / folder, f'small/{name}')).train()
        return load(tmp_path / folder / 'iter_2.pth')['state_dict']

    there = train('there')
    shutil.copytree(toy_data / 'toy', tmp_path / 'data/toy')
    shutil.rmtree(tmp_path / 'data/toy/cityscapes/gtFine/train')

    def without(*args, **options):
        cfg = short_config(*args, **options)
        for part in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
            replace(part, str(toy_data), str(tmp_path / 'data'))
        return cfg

    build_runner(without(tmp_path / 'deleted', f'small/{name}')).train()
    deleted = load(tmp_path / 'deleted/iter_2.pth')['state_dict']
    assert differing(there, deleted) == []


def replace(value, old, new):
    """Change the start of every path in nested dicts and lists."""
    for key, each in value.items() if hasattr(value, 'items') else enumerate(value):
        if isinstance(each, dict | list):
            replace(each, old, new)
        elif isinstance(each, str) and each.startswith(old):
            value[key] = each.replace(old, new, 1)
