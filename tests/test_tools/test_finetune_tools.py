"""Fine-tuning by the tools: from the source to other classes and to a score, and what is refused."""

from pathlib import Path

import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader
from tool_helpers import ROOT, SHORT, contents, start

FINETUNE = ROOT / 'configs/small/finetune_toy.py'
FEW = ['train_dataloader.dataset.num=4']
OTHERS = "('car', 'road', 'sky')"  # in another order, and fewer


def other_classes(hook: str) -> str:
    """A config that goes on from ``source.pth`` in three classes."""
    data = f'metainfo=dict(classes={OTHERS}, palette=[[0, 0, 142], [128, 64, 128], [70, 130, 180]])'
    return f"""
_base_ = '{FINETUNE}'
load_from = 'source.pth'
stages = dict(source=None, finetune=dict(load_from='source.pth'))
model = dict(decode_head=dict(num_classes=3))
train_dataloader = dict(dataset=dict(dataset=dict({data})))
val_dataloader = dict(dataset=dict({data}))
test_dataloader = val_dataloader
custom_hooks = [{hook}]
"""


@pytest.fixture(scope='module')
def source(toy_data, tmp_path_factory) -> dict:
    """What two iterations on the source leave."""
    folder = tmp_path_factory.mktemp('source')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MMSEG_DA_DATA', str(toy_data))
        patch.chdir(folder)
        options = [*SHORT, *FEW, 'stages.finetune=None', 'stages.source.train_cfg.max_iters=2']
        options += ['stages.source.train_cfg.val_interval=2']
        assert start(ROOT / 'tools/train.py', FINETUNE, '--cfg-options', *options) == 0
    return load(folder / 'work_dirs/finetune_toy/iter_2.pth')


def load(file: Path) -> dict:
    return CheckpointLoader.load_checkpoint(str(file), 'cpu')


def own(folder: Path, checkpoint: dict, text: str) -> None:
    torch.save(checkpoint, folder / 'source.pth')
    (folder / 'own.py').write_text(text)


def test_it_goes_on_in_other_classes_and_is_scored_in_them(run_tool, source, tmp_path):
    hook = "dict(type='ClassSurgeryHook', mode='remap')"
    own(tmp_path, source, other_classes(hook))
    result = run_tool('train.py', 'own.py', '--cfg-options', *SHORT, *FEW)
    assert result.code == 0, result.err
    trained = tmp_path / 'work_dirs/own/iter_2.pth'
    tuned = load(trained)
    assert tuple(tuned['meta']['dataset_meta']['classes']) == ('car', 'road', 'sky')
    assert tuned['state_dict']['decode_head.conv_seg.weight'].shape[0] == 3
    log = next((tmp_path / 'work_dirs/own').rglob('*.log')).read_text()
    assert 'classes copied: car, road, sky' in log
    result = run_tool('test.py', 'own.py', trained)
    assert result.code == 0, result.err
    assert 'mIoU' in result.out + result.err


def renamed(source: dict, **meta: object) -> dict:
    """The checkpoint, with other words for its classes or none."""
    kept = {key: value for key, value in source['meta'].items() if key != 'dataset_meta'}
    return source | dict(meta=kept | meta)


@pytest.mark.parametrize(
    ('hook', 'said'),
    [
        ("type='ClassSurgeryHook', mode='keep'", "mode='keep', but the checkpoint has 10 classes"),
        ("type='ClassSurgeryHook', mode='remap', names=dict(bus='car')", "names has 'bus'"),
        ("type='ClassSurgeryHook', mode='remap', names=dict(car='bus')", "names has 'bus'"),
        (
            "type='ClassSurgeryHook', mode='drop', layers=['score']",
            'the checkpoint has no layer score to change',
        ),
    ],
)
def test_surgery_that_cannot_be_is_told(refused, source, tmp_path, hook, said):
    own(tmp_path, source, other_classes(f'dict({hook})'))
    assert said in refused('train.py', 'own.py', '--cfg-options', *SHORT, *FEW)


def test_a_checkpoint_that_does_not_say_its_classes_is_told(refused, source, tmp_path):
    hook = "dict(type='ClassSurgeryHook', mode='remap')"
    own(tmp_path, renamed(source), other_classes(hook))
    said = refused('train.py', 'own.py', '--cfg-options', *SHORT, *FEW)
    assert 'does not say its classes' in said
    assert 'source_classes=[...]' in said


def test_as_many_other_classes_are_refused(refused, source, tmp_path):
    classes = list(source['meta']['dataset_meta']['classes'])
    swapped = [classes[1], classes[0], *classes[2:]]
    stages = "stages = dict(source=None, finetune=dict(load_from='source.pth'))"
    own(
        tmp_path,
        renamed(source, dataset_meta=dict(classes=swapped)),
        f"_base_ = '{FINETUNE}'\n{stages}\n",
    )
    said = refused('train.py', 'own.py', '--cfg-options', *SHORT, *FEW)
    assert 'source.pth: its classifier is of other classes than the training data' in said
    assert "mode='remap'" in said
    assert contents(tmp_path).keys() == {'source.pth', 'own.py'}
