"""A few labelled target images beside each other term, against the iteration in plain PyTorch."""

import copy

import pytest
import torch
from builders import SUPERVISION, adaptsegnet, build_adaptor, build_wrappers, gap, state_gap
from host_sync import Watch
from literal import LiteralFewLabels, LiteralFewLabelsMinEnt, LiteralMixedFineTuning

from mmseg_da.errors import UserError
from mmseg_da.testing import counted_forwards, toy_batch

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6}
WEIGHT = 0.5
LEVELS = {'adv_aux': 'aux', 'adv_decode': 'decode'}


def labelled(terms):
    """Terms with the labelled images' in its place, after the source's."""
    own = dict(type='LabelledTargetSupervision', loss_weight=WEIGHT)
    others = {name: cfg for name, cfg in terms.items() if name != 'seg'}
    return dict(seg=SUPERVISION, lab=own, **others)


def literal_adversarial(of):
    def make(clone):
        rivals = {level: clone.objectives[name].discriminator for name, level in LEVELS.items()}
        weights = {level: clone.objectives[name].loss_weight for name, level in LEVELS.items()}
        return LiteralFewLabels(
            clone.segmentor, rivals, weights, aux_weight=0.4, of=of, labelled_weight=WEIGHT
        )

    return make


def literal_minent(clone):
    weights = dict(decode=0.2)
    return LiteralFewLabelsMinEnt(clone.segmentor, weights, aux_weight=0.4, labelled_weight=WEIGHT)


def literal_mixed(clone):
    return LiteralMixedFineTuning(clone.segmentor, aux_weight=0.4, labelled_weight=WEIGHT)


METHODS = dict(
    mixed_fine_tuning=({}, literal_mixed),
    adaptsegnet=(adaptsegnet(), literal_adversarial('softmax')),
    advent=(adaptsegnet(of='entropy'), literal_adversarial('entropy')),
    minent=(dict(ent=dict(type='TargetEntropy', loss_weight=0.2)), literal_minent),
)


def make_pair(method, dtype, backward):
    terms, literal = METHODS[method]
    adaptor = build_adaptor(labelled(terms), backward=backward).to(dtype)
    clone = copy.deepcopy(adaptor)
    return adaptor, build_wrappers(adaptor), literal(clone), clone


def assert_same_run(steps, method, dtype, backward='stages'):
    adaptor, wrappers, literal, clone = make_pair(method, dtype, backward)
    before = copy.deepcopy(adaptor.segmentor.state_dict())
    for step in range(steps):
        with counted_forwards(adaptor.segmentor.backbone) as count:
            logs = adaptor.train_step(toy_batch(seed=step, labelled=True), wrappers)
        assert count.value == (2 if method == 'mixed_fine_tuning' else 3)
        theirs = literal.step(toy_batch(seed=step, labelled=True))
        own = sum(value for key, value in logs.items() if key.startswith('lab.') and 'loss' in key)
        assert own.item() == pytest.approx(theirs['labelled'], rel=1e-5)
        total = sum(value for key, value in theirs.items() if not key.startswith('rival'))
        assert logs['segmentor.loss'].item() == pytest.approx(total, rel=1e-5)
    assert state_gap(adaptor, clone) <= TOLERANCE[dtype]
    after = adaptor.segmentor.state_dict()
    assert all(not torch.equal(value, after[key]) for key, value in before.items())
    mine, theirs = wrappers['segmentor'].optimizer.state, literal.sgd.state
    for p, q in zip(adaptor.segmentor.parameters(), clone.segmentor.parameters(), strict=True):
        assert gap(mine[p]['momentum_buffer'], theirs[q]['momentum_buffer']) <= TOLERANCE[dtype]


@pytest.mark.stack
@pytest.mark.parametrize('dtype', TOLERANCE, ids=str)
@pytest.mark.parametrize('method', METHODS)
def test_iterations_equal_the_formula(method, dtype):
    assert_same_run(3, method, dtype)


@pytest.mark.parametrize('method', METHODS)
def test_iterations_summed_equal_the_formula(method):
    assert_same_run(2, method, torch.float64, 'summed')


def test_a_wrong_weight_is_noticed():
    adaptor, wrappers, literal, clone = make_pair('advent', torch.float64, 'stages')
    literal.labelled_weight *= 1.001
    adaptor.train_step(toy_batch(labelled=True), wrappers)
    literal.step(toy_batch(labelled=True))
    assert state_gap(adaptor, clone) > 1e-12


def test_without_labelled_images_the_data_are_named():
    adaptor = build_adaptor(labelled({}))
    with pytest.raises(UserError, match=r"train_dataloader\.dataset\.labelled=dict\(type='Few"):
        adaptor.train_step(toy_batch(), build_wrappers(adaptor))


def test_labelled_images_that_nobody_asks_for_are_left_alone():
    adaptor = build_adaptor(dict(seg=SUPERVISION))
    clone = copy.deepcopy(adaptor)
    adaptor.train_step(toy_batch(labelled=True), build_wrappers(adaptor))
    clone.train_step(toy_batch(), build_wrappers(clone))
    assert state_gap(adaptor, clone) == 0


@pytest.mark.parametrize('method', METHODS)
def test_nothing_waits_for_the_device(method):
    adaptor = build_adaptor(labelled(METHODS[method][0]))
    wrappers = build_wrappers(adaptor)
    adaptor.train_step(toy_batch(labelled=True), wrappers)
    batch = toy_batch(seed=1, labelled=True)
    with Watch() as watch:
        adaptor.train_step(batch, wrappers)
    assert watch.ours == []


def test_the_pictures_show_them_with_their_labels():
    adaptor = build_adaptor(labelled(adaptsegnet()))
    batch = toy_batch(labelled=True)
    data = adaptor.data_preprocessor(batch, training=True)
    rows = adaptor.eval().pictures(data)
    assert list(rows) == ['source', 'target', 'labelled']
    assert 'ground truth' not in rows['target']
    truth = torch.cat([each.gt_sem_seg.data for each in batch['labelled']['data_samples']])
    assert rows['labelled']['ground truth'].equal(truth)


def test_a_joint_adaptor_refuses_what_it_would_leave_out():
    with pytest.raises(
        UserError, match=r'objectives\.lab: JointAdaptor takes .* source or the targ'
    ):
        build_adaptor(
            labelled({}),
            type='JointAdaptor',
            translator=dict(
                generator=dict(type='ResnetGenerator', channels=4, blocks=1),
                discriminator=dict(type='PatchDiscriminator', channels=4, layers=1),
            ),
        )


def test_they_have_the_targets_size_and_can_have_their_own():
    adaptor = build_adaptor(labelled({}))
    batch = toy_batch(labelled=True)
    images = adaptor.data_preprocessor(batch, training=True)['labelled']['inputs']
    assert images.shape[-2:] == (48, 80)
    preprocessor = dict(
        type='DomainPreprocessor', size=(64, 64), target=dict(size=(48, 80)),
        labelled=dict(size=(64, 96)),
    )  # fmt: skip
    adaptor = build_adaptor(labelled({}), data_preprocessor=preprocessor)
    images = adaptor.data_preprocessor(batch, training=True)['labelled']['inputs']
    assert images.shape[-2:] == (64, 96)
