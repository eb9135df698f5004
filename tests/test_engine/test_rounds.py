"""Rounds of self-training become stages; rules of labels are read."""

import copy

import pytest
import torch
from mmengine.config import Config

from mmseg_da.engine.label_rules import label_rule
from mmseg_da.engine.rounds import expand_rounds
from mmseg_da.engine.stages import split
from mmseg_da.errors import UserError

ROUNDS = dict(
    number=3,
    members=dict(
        a=dict(model=dict(beta=1)),
        b=dict(model=dict(beta=2), train_cfg=dict(max_iters=7)),
    ),
    first=dict(model=dict(ent=None)),
    later=dict(
        model=dict(pseudo=dict(weight=1)),
        train_dataloader=dict(pipeline=[dict(folder='round:labels')]),
        load_from='round:before',
    ),
    labels=dict(rule=dict(type='class_share', keep=[0.2, 0.3]), size='original'),
    evaluate=dict(average='softmax'),
)


def config(tmp_path, rounds=ROUNDS, **others):
    return Config(
        dict(
            model=dict(type='Net', beta=0, ent=3),
            train_cfg=dict(max_iters=10),
            train_dataloader=dict(pipeline=[1], workers=2),
            load_from=None,
            work_dir=str(tmp_path),
            rounds=copy.deepcopy(rounds),
        )
        | others
    )


def test_rounds_become_stages_in_order(tmp_path):
    cfg = config(tmp_path)
    expand_rounds(cfg)
    assert 'rounds' not in cfg
    assert list(cfg.stages) == [
        *('round0_a', 'round0_b', 'labels1', 'round1_a', 'round1_b'),
        *('labels2', 'round2_a', 'round2_b', 'ensemble'),
    ]
    first, later = cfg.stages.round0_b, cfg.stages.round2_b
    assert first == dict(model=dict(ent=None, beta=2), train_cfg=dict(max_iters=7))
    assert later == dict(
        model=dict(pseudo=dict(weight=1), beta=2),
        train_cfg=dict(max_iters=7),
        train_dataloader=dict(pipeline=[dict(folder='stage:labels2')]),
        load_from='stage:round1_b',
    )
    assert cfg.stages.labels2 == dict(
        kind='pseudo_labels',
        members=['round1_a', 'round1_b'],
        rule=dict(type='class_share', keep=0.3),
        size='original',
    )
    assert cfg.stages.labels1.rule.keep == 0.2
    assert cfg.stages.ensemble == dict(
        kind='evaluate', members=['round2_a', 'round2_b'], average='softmax'
    )


def test_stages_of_rounds_are_whole_configs(tmp_path):
    cfg = config(tmp_path)
    before = cfg.pretty_text
    stages = {stage.name: stage for stage in split(cfg)}
    assert cfg.pretty_text == before
    assert stages['round0_a'].cfg.model == dict(type='Net', beta=1, ent=None)
    assert stages['round1_a'].cfg.model == dict(type='Net', beta=1, ent=3, pseudo=dict(weight=1))
    assert stages['round1_a'].cfg.train_dataloader.workers == 2
    labels = stages['labels1']
    assert (labels.kind, labels.iterations) == ('pseudo_labels', 0)
    assert labels.cfg.pseudo_labels.members == ['stage:round0_a', 'stage:round0_b']
    assert labels.cfg.model == dict(type='Net', beta=0, ent=3)
    assert 'rounds' not in labels.cfg


def test_one_network_needs_no_name_and_no_evaluation(tmp_path):
    cfg = config(tmp_path, dict(number=2, later=dict(load_from='round:before')))
    expand_rounds(cfg)
    assert cfg.stages == dict(
        round0={},
        labels1=dict(kind='pseudo_labels', members=['round0']),
        round1=dict(load_from='stage:round0'),
    )


def test_a_dict_that_replaces_another_still_does(tmp_path):
    later = dict(model=dict(_delete_=True, type='Other'))
    cfg = config(tmp_path, dict(number=2, later=later, members=dict(a=dict(model=dict(x=1)))))
    assert split(cfg)[2].cfg.model == dict(type='Other', x=1)


def test_what_stages_say_is_merged_in(tmp_path):
    own = dict(round0_a=dict(checkpoint='a.pth'), labels2=dict(rule=dict(keep=0.9)), ensemble=None)
    cfg = config(tmp_path, stages=own)
    stages = {stage.name: stage for stage in split(cfg)}
    assert stages['round0_a'].given == 'a.pth'
    assert stages['labels2'].cfg.pseudo_labels.rule == dict(type='class_share', keep=0.9)
    assert 'ensemble' not in stages


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (dict(number=1), 'rounds.number is 1, but has to be an integer of 2 or more'),
        (dict(number='3'), "rounds.number is '3'"),
        (dict(number=True), 'rounds.number is True'),
        (dict(rule=3), 'rounds.rule is not known; there are'),
        (dict(later=3), 'rounds.later is 3, but has to be a dict'),
        (dict(members=['a']), r"rounds.members is \['a'\], but has to be a dict"),
        (
            dict(labels=dict(rule=dict(type='class_share', keep=[0.2]))),
            r'rounds.labels.rule.keep is \[0.2\], but has to be one number, or 2',
        ),
    ],
)
def test_rounds_that_cannot_be_are_told(tmp_path, change, words):
    with pytest.raises(UserError, match=words):
        split(config(tmp_path, ROUNDS | change))


def test_rounds_that_are_no_dict_and_unknown_stages_are_told(tmp_path):
    with pytest.raises(UserError, match='rounds is 3, but has to be a dict'):
        split(config(tmp_path, 3))
    with pytest.raises(UserError, match='no stage round7; the config has the stages round0_a, '):
        split(config(tmp_path, stages=dict(round7=dict(checkpoint='a.pth'))))


WRONG_STAGES = {
    'no kind': (dict(kind='test'), r"stages\.labels1\.kind is 'test', but has to be one of"),
    'a misspelt setting': (
        dict(rulez=3),
        r"stages\.labels1\.rulez is not known; a stage of kind 'pseudo_labels' takes",
    ),
    'a later member': (
        dict(members=['round1_a']),
        'stage labels1 needs the result of stage round1_a, which comes later',
    ),
    'labels that predict': (
        dict(members=['labels1']),
        'stage labels1 needs the result of stage labels1, which comes later',
    ),
}


@pytest.mark.parametrize('wrong', WRONG_STAGES)
def test_stages_of_labels_that_cannot_work_are_told(tmp_path, wrong):
    change, words = WRONG_STAGES[wrong]
    with pytest.raises(UserError, match=words):
        split(config(tmp_path, stages=dict(labels1=change)))


def test_references_to_the_wrong_kind_are_told(tmp_path):
    weights = dict(round1_a=dict(load_from='stage:labels1'))
    with pytest.raises(
        UserError, match=r'round1_a\.load_from refers to stage labels1, which is of'
    ):
        split(config(tmp_path, stages=weights))
    data = dict(round1_a=dict(train_dataloader=dict(pipeline=[dict(folder='stage:round0_a')])))
    with pytest.raises(UserError, match=r"needs one of kind 'pseudo_labels'"):
        split(config(tmp_path, stages=data))


def histogram():
    counts = torch.zeros(2, 65536, dtype=torch.int64)
    counts[0, ::64] = 1
    return counts


@pytest.mark.parametrize(
    ('settings', 'least'),
    [
        (dict(type='class_share', keep=0.5), 0.5),
        (dict(type='class_share', keep=0.25, sure=0.6), 0.6),
        (dict(type='class_share', keep=0.25, sure=None), 0.75),
        (dict(type='class_balanced', keep=0.25), 0.75),
        (dict(type='confidence', least=0.3), 0.3),
    ],
)
def test_a_rule_gives_thresholds(settings, least):
    rule = label_rule(settings, 'here')
    assert abs(rule.thresholds(histogram())[0] / 65536 - least) < 0.001
    assert rule.settings == settings
    assert rule.balanced == (settings['type'] == 'class_balanced')


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        (dict(type='best'), "here: the rule 'best' is none of 'class_share', 'class_balanced'"),
        (dict(keep=0.3), 'here: the rule None is none of'),
        (3, 'here: the rule 3 is none of'),
        (dict(type='class_share'), "here: the rule 'class_share' lacks 'keep'"),
        (dict(type='class_balanced', keep=0.3, sure=0.9), "does not know 'sure'; it takes"),
        (dict(type='class_share', keep=0.0), 'here: keep is 0.0, but has to be a number above 0'),
        (dict(type='class_share', keep=34), 'keep is 34'),
        (dict(type='class_share', keep=True), 'keep is True'),
        (dict(type='class_share', keep=None), 'keep is None'),
        (dict(type='class_share', keep='0.3'), "keep is '0.3'"),
        (dict(type='confidence', least=1.5), 'least is 1.5'),
    ],
)
def test_a_rule_that_cannot_be_is_told(settings, words):
    with pytest.raises(UserError, match=words):
        label_rule(settings, 'here')
