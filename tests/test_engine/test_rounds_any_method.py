"""Rounds are of any method: AdaptSegNet's, and the example of the docs."""

import json
from pathlib import Path

import pytest
from checkpoint_helpers import load
from fresh_start import forget_runs
from rounds_helpers import FINAL, TINY
from staged_helpers import NO_VALIDATION, ROOT, log_of

from mmseg_da.engine import launch
from mmseg_da.engine.launch import load_config
from mmseg_da.engine.stages import split

TOY = """
_base_ = {base!r}

runner_type = 'StagedRunner'
pseudo_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadPseudoLabels', folder='round:labels'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
rounds = dict(
    number=2,
    later=dict(
        model=dict(objectives=dict(pseudo=dict(type='PseudoSupervision'))),
        train_dataloader=dict(dataset=dict(target=dict(pipeline=pseudo_pipeline))),
    ),
    labels=dict(rule=dict(type='confidence', least=0.01), weights=[2.0]),
)
"""


def write(tmp_path: Path, text: str) -> str:
    file = tmp_path / 'rounds_toy.py'
    file.write_text(text)
    return str(file)


def test_an_adversarial_method_has_rounds(toy_data, tmp_path, monkeypatch, plainly_written):
    monkeypatch.setenv('MMSEG_DA_DATA', str(toy_data))
    forget_runs()
    file = write(tmp_path, TOY.format(base=str(ROOT / 'configs/small/adaptsegnet_toy.py')))
    work_dir = tmp_path / 'run'
    launch.train(load_config(file, TINY | NO_VALIDATION, str(work_dir)))
    said = log_of(work_dir / 'round1')
    for term in ('seg.decode.loss_ce', 'adv_decode.loss_fool', 'pseudo.decode.loss_ce'):
        assert term in said
    assert 'pseudo.labelled: 1.0000' in said
    optimizers = load(work_dir / FINAL)['optimizer']
    assert {'segmentor', 'discriminators'} <= set(optimizers)
    report = json.loads((work_dir / 'labels1/thresholds.json').read_text())
    assert sum(each['pixels'] for each in report['classes'].values()) == 6 * 96 * 192


def test_the_example_of_the_docs_is_a_run(tmp_path):
    page = (ROOT / 'docs/methods/self_training.md').read_text()
    (block,) = [part.split('```')[0] for part in page.split('```python')[1:]]
    cfg = load_config(write(tmp_path, block.replace("'./ada", f"'{ROOT}/configs/ada")), None, 'w')
    first, labels, second = split(cfg)
    assert [each.kind for each in (first, labels, second)] == ['train', 'pseudo_labels', 'train']
    assert set(second.cfg.model.objectives) == {*first.cfg.model.objectives, 'pseudo'}
    (load,) = [
        each for each in second.cfg.train_dataloader.dataset.target.pipeline if 'folder' in each
    ]
    assert load.folder == 'stage:labels1'


@pytest.mark.parametrize('name', ['fda_mbt_gta2cs', 'cbst_gta2cs'])
def test_labels_have_the_size_of_the_images_that_are_learned(name):
    def scales(pipeline):
        return [each.scale for each in pipeline if each.type == 'Resize']

    for stage in split(load_config(str(ROOT / f'configs/{name}.py'), None, 'w')):
        pipeline = stage.cfg.train_dataloader.dataset.target.pipeline
        if stage.kind == 'pseudo_labels':
            given = stage.cfg.pseudo_labels.get('pipeline')
            pipeline = given or stage.cfg.test_dataloader.dataset.pipeline
        if stage.kind != 'evaluate':
            assert scales(pipeline) == [(1024, 512)]
