"""A config of several stages, taken apart into ordinary ones."""

import copy

import pytest
from mmengine.config import Config

from mmseg_da.engine.stages import chosen, resolve, split
from mmseg_da.errors import UserError


def config(tmp_path, stages=None, **others) -> Config:
    given = dict(
        source=dict(model=dict(depth=2), optim_wrapper=dict(rivals=None)),
        translate=dict(
            model=dict(_delete_=True, type='Translator', semantics=dict(checkpoint='stage:source')),
            train_cfg=dict(max_iters=30),
            val_cfg=None,
        ),
        align=dict(load_from='stage:source', hooks=[1]),
    )
    return Config(
        dict(
            model=dict(type='Net', width=3, translator=dict(checkpoint=None)),
            optim_wrapper=dict(type='OptimWrapper', rivals=dict(lr=1)),
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=10),
            val_cfg=dict(type='ValLoop'),
            load_from=None,
            runner_type='StagedRunner',
            work_dir=str(tmp_path),
            stages=copy.deepcopy(given if stages is None else stages),
        )
        | others
    )


def end(stage, name='iter_10.pth'):
    """Leave what a stage leaves when it has ended."""
    stage.folder.mkdir(parents=True, exist_ok=True)
    (stage.folder / name).write_bytes(name.encode())
    stage.finish(stage.folder / name)


def test_a_stage_is_the_config_with_its_changes(tmp_path):
    source, translate, align = split(config(tmp_path))
    assert [each.name for each in (source, translate, align)] == ['source', 'translate', 'align']
    assert source.cfg.model == dict(type='Net', width=3, depth=2, translator=dict(checkpoint=None))
    assert source.cfg.optim_wrapper == dict(type='OptimWrapper', rivals=None)
    assert translate.cfg.model == dict(type='Translator', semantics=dict(checkpoint='stage:source'))
    assert (translate.iterations, translate.cfg.train_cfg.type) == (30, 'IterBasedTrainLoop')
    assert translate.cfg.val_cfg is None
    assert source.cfg.val_cfg == dict(type='ValLoop')
    assert align.cfg.hooks == [1]
    for stage in (source, translate, align):
        assert stage.cfg.runner_type == 'DomainAdaptationRunner'
        assert stage.cfg.work_dir == str(tmp_path / stage.name)
        assert not {'stages', 'stage'} & set(stage.cfg)


def test_the_config_itself_stays_as_it_is(tmp_path):
    cfg = config(tmp_path)
    before = cfg.pretty_text
    split(cfg)[1].cfg.model.type = 'Other'
    assert cfg.pretty_text == before


def test_references_become_the_files_of_earlier_stages(tmp_path):
    stages = split(config(tmp_path))
    end(stages[0])
    expected = str(tmp_path / 'source/iter_10.pth')
    assert resolve(stages[1], stages).model.semantics.checkpoint == expected
    assert resolve(stages[2], stages).load_from == expected
    assert stages[2].cfg.load_from == 'stage:source'


def test_a_variable_that_nothing_reads_may_hold_a_reference(tmp_path):
    cfg = config(tmp_path, translator=dict(checkpoint='stage:translate'))
    assert resolve(split(cfg)[0], split(cfg)).translator.checkpoint == 'stage:translate'


def test_a_given_checkpoint_takes_the_place_of_a_training(tmp_path):
    file = tmp_path / 'given.pth'
    file.touch()
    cfg = config(tmp_path)
    cfg.stages.source.checkpoint = str(file)
    stages = split(cfg)
    assert [stage.name for stage in chosen(cfg, stages)] == ['translate', 'align']
    assert resolve(stages[2], stages).load_from == str(file)
    assert 'checkpoint' not in stages[0].cfg


def test_a_given_stage_needs_nothing(tmp_path):
    file = tmp_path / 'given.pth'
    file.touch()
    cfg = config(tmp_path)
    cfg.stages.source = cfg.stages.align = None
    cfg.stages.translate.checkpoint = str(file)
    cfg.stages.later = dict(load_from='stage:translate')
    stages = split(cfg)
    assert [stage.name for stage in stages] == ['translate', 'later']
    assert resolve(stages[1], stages).load_from == str(file)


def test_none_drops_a_stage(tmp_path):
    cfg = config(tmp_path)
    cfg.stages.translate = None
    assert [stage.name for stage in split(cfg)] == ['source', 'align']


def test_one_stage_is_chosen_by_name(tmp_path):
    cfg = config(tmp_path, stage='align')
    assert [stage.name for stage in chosen(cfg, split(cfg))] == ['align']


def test_a_result_is_what_the_stage_ended_with(tmp_path):
    stage = split(config(tmp_path))[0]
    assert stage.result is None
    stage.folder.mkdir()
    (stage.folder / 'iter_5.pth').touch()
    assert stage.result is None  # it is not done
    end(stage)
    assert stage.result == str(tmp_path / 'source/iter_10.pth')
    (tmp_path / 'source/iter_10.pth').unlink()
    assert stage.result is None


def test_an_earlier_run_is_set_aside_and_not_lost(tmp_path):
    stage = split(config(tmp_path))[0]
    stage.forget()  # nothing there yet
    for number in (1, 2):
        end(stage)
        (stage.folder / 'last_checkpoint').write_text(str(stage.folder / 'iter_10.pth'))
        (stage.folder / 'iter_5.pth').touch()
        stage.forget()
        assert stage.result is None
        assert sorted(p.name for p in stage.folder.iterdir()) == [
            f'earlier_{i}' for i in range(1, number + 1)
        ]
        aside = stage.folder / f'earlier_{number}'
        assert (aside / 'iter_10.pth').read_bytes() == b'iter_10.pth'
        assert (aside / 'iter_5.pth').is_file()


ALONE = dict(train_cfg=dict(max_iters=1))
WRONG = {
    'align before segment': (
        dict(align=dict(load_from='stage:segment'), segment=ALONE),
        'stage align needs the result of stage segment, which comes later; before it come: none',
    ),
    'a stage of itself': (
        dict(source=ALONE, align=dict(load_from='stage:align')),
        'stage align needs the result of stage align, which comes later; before it come: source',
    ),
    'a dropped stage': (
        dict(source=None, align=dict(load_from='stage:source')),
        'stage align needs the result of stage source, which is not there',
    ),
    'a misspelt reference': (
        dict(source=ALONE, align=dict(model=dict(a=[dict(b='stage:sauce')]))),
        'stage align needs the result of stage sauce, which is not there',
    ),
    'no stage': (dict(), '`stages` is empty'),
    'all dropped': (dict(source=None), '`stages` is empty'),
    'no length': (dict(source=dict(train_cfg=None)), 'stages.source has no train_cfg.max_iters'),
    'no dict': (dict(source='train'), "stages.source is 'train', but has to be a dict"),
}


@pytest.mark.parametrize('wrong', WRONG)
def test_stages_that_cannot_work_are_refused(tmp_path, wrong):
    stages, message = WRONG[wrong]
    with pytest.raises(UserError) as told:
        split(config(tmp_path, stages))
    assert message in str(told.value)


def test_what_cannot_be_chosen_is_refused(tmp_path):
    file = tmp_path / 'given.pth'
    file.touch()
    cfg = config(tmp_path, stage='alihn')
    with pytest.raises(UserError, match=r'stage=alihn.*source, translate, align'):
        chosen(cfg, split(cfg))
    cfg = config(tmp_path, dict(source=dict(checkpoint=str(file)), align=dict()), stage='source')
    with pytest.raises(UserError, match=r'stages\.source\.checkpoint is given, so it is not'):
        chosen(cfg, split(cfg))
    cfg = config(tmp_path, dict(source=dict(checkpoint=str(file))))
    with pytest.raises(UserError, match='nothing to train'):
        chosen(cfg, split(cfg))


def test_a_given_checkpoint_that_is_not_there_is_refused(tmp_path):
    cfg = config(tmp_path)
    cfg.stages.source.checkpoint = 'no.pth'
    with pytest.raises(UserError, match=r'stages\.source\.checkpoint: no\.pth: no such file'):
        chosen(cfg, split(cfg))
    cfg.stages.source.checkpoint = 'https://example.org/no.pth'
    assert [stage.name for stage in chosen(cfg, split(cfg))] == ['translate', 'align']


def test_a_missing_result_says_how_to_get_it(tmp_path):
    stages = split(config(tmp_path))
    with pytest.raises(UserError, match=r'stage=source\), or name a file: .*stages\.source\.check'):
        resolve(stages[2], stages)
