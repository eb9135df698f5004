"""Self-training and masked consistency: values by hand, draws, waits, resumes and bad input."""

import copy

import pytest
import torch
from builders import build_wrappers, state_gap
from host_sync import Watch
from mmengine.structures import PixelData
from taught_builders import MASK, MIX, SIZE, alike, build

from mmseg_da.errors import UserError
from mmseg_da.testing import toy_batch, toy_preprocessor, toy_segformer


def opened(adaptor, batch):
    return adaptor.begin_step(adaptor.data_preprocessor(batch, training=True))


def mixture(key=(0, 0), **settings):
    plain = dict(jitter_prob=0.0, blur_prob=0.0)
    adaptor = build(dict(mix=MIX | plain | settings))
    step = opened(adaptor, alike())
    return step, adaptor.objectives['mix'].mixture(step, key)


@pytest.mark.parametrize(('classes', 'count'), [('image', (2, 3)), ('batch', (3, 3))])
def test_half_of_the_classes_are_pasted_with_their_labels(classes, count):
    pasted = [set(), set()]
    for number in range(20):
        step, (images, labels, weights, _) = mixture((number, 0), classes=classes, threshold=1.0)
        mask = weights == 1
        source = step.source.labels
        for image in range(2):
            there = set(source[image][mask[image]].tolist())
            assert not there & set(source[image][~mask[image]].tolist())
            assert len(there) <= count[image]
            pasted[image] |= there
        pseudo = step.teaching.verdict[0]
        assert torch.equal(labels, source.where(mask, pseudo))
        chosen = mask.unsqueeze(1)
        assert torch.equal(images, step.source.images.where(chosen, step.target.images))
    assert pasted == [{0, 1, 2, 255}, {0, 1, 2, 3, 255}]


def test_the_share_of_sure_pixels_weighs_the_others_but_the_margins():
    step, (_, _, weights, share) = mixture(ignore_top=5, ignore_bottom=0.25)
    confidence = step.teaching.verdict[1]
    assert share.item() == pytest.approx((confidence >= 0.4).float().mean().item())
    assert 0 < share < 1
    inside = weights[:, 5:36]
    assert set(inside.unique().tolist()) == {1.0, share.item()}
    outside = torch.cat([weights[:, :5], weights[:, 36:]], dim=1)
    assert set(outside.unique().tolist()) == {0.0, 1.0}


def test_marked_margins_and_padding_have_no_weight():
    adaptor = build(dict(mix=MIX | dict(jitter_prob=0.0, blur_prob=0.0)))
    batch = alike()
    mask = torch.ones(1, 40, 80, dtype=torch.bool)  # eight rows less than the image
    mask[:, :, :30] = False
    batch['target']['data_samples'][1].set_data(dict(valid_mask=PixelData(data=mask)))
    step = opened(adaptor, batch)
    _, weights, share = adaptor.objectives['mix'].pseudo(step)
    assert (weights[0] == share).all()  # of this image nothing is marked
    expected = torch.zeros(SIZE)
    expected[:40, 30:] = share
    assert torch.equal(weights[1], expected)


def test_two_terms_of_one_kind_draw_apart_and_the_first_as_alone():
    alone = build(dict(mix=MIX)).objectives['mix']
    both = build(dict(mix=MIX, other=MIX | dict(threshold=0.9), mask=MASK)).objectives
    key, like = (0, 3), torch.zeros(2, *SIZE, dtype=torch.long)
    drawn = [each.keys(like, key) for each in (alone, both['mix'], both['other'])]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[1], drawn[2])
    assert both['mix'].jitter_of(key, 0) != both['other'].jitter_of(key, 0)
    assert len({each.salt for each in both.values() if hasattr(each, 'salt')}) == 3


def test_pixels_may_count_one_by_one():
    step, (_, _, weights, _) = mixture(quality='pixel')
    sure = step.teaching.verdict[1] >= 0.4
    assert torch.equal(weights, (sure | (weights == 1)).float())
    assert (weights == 0).any()


@pytest.mark.parametrize(('images', 'taught'), [('target', 2), ('source', 2), ('both', 2)])
def test_what_is_masked(images, taught):
    adaptor = build(dict(mask=MASK | dict(images=images, augment=False)))
    step = opened(adaptor, alike())
    seen, labels, weights = adaptor.objectives['mask'].lesson(step)
    assert len(seen) == len(labels) == len(weights) == taught
    first = step.target if images == 'target' else step.source
    last = step.source if images == 'source' else step.target
    assert torch.equal(seen[0], first.images[0])
    assert torch.equal(seen[1], last.images[0 if images == 'both' else 1])
    if images != 'target':
        assert torch.equal(labels[0], step.source.labels[0])
        assert (weights[0] == 1).all()


def test_every_second_image_of_both_domains_is_masked_in_turn():
    adaptor = build(dict(mask=MASK | dict(images='both')))
    step = opened(adaptor, alike(5))
    seen, _, weights = adaptor.objectives['mask'].lesson(step)
    expected = [view.images[i] for i in (0, 2) for view in (step.source, step.target)]
    assert torch.equal(seen, torch.stack(expected))
    assert [bool((each == 1).all()) for each in weights] == [True, False, True, False]


def test_masked_blocks_are_as_many_as_the_ratio_says():
    objective = build(dict(mask=MASK)).objectives['mask']
    like, kept = torch.zeros(2, 3, *SIZE), []
    for number in range(100):
        mask = objective.kept(like, (0, number))
        assert mask.shape == (2, 1, *SIZE)
        blocks = mask.view(2, 3, 16, 5, 16)
        assert torch.equal(blocks.amax(dim=(2, 4)), blocks.amin(dim=(2, 4)))
        kept.append(mask.mean(dim=(1, 2, 3)))
    assert torch.stack(kept).mean().item() == pytest.approx(0.3, abs=0.03)
    assert not torch.equal(kept[0], kept[1]) or not torch.equal(kept[1], kept[2])
    again = objective.kept(like, (0, 99))
    assert torch.equal(again, mask)


@pytest.mark.parametrize(
    'objectives',
    [
        dict(mix=MIX),
        dict(mask=MASK),
        dict(mask=MASK | dict(images='source')),
        dict(mask=MASK | dict(images='both')),
        dict(mix=MIX, mask=MASK),
        dict(mix=MIX | dict(quality='pixel', ignore_top=5, ignore_bottom=0.2)),
    ],
)
def test_it_does_not_wait_for_the_device(objectives):
    always = dict(jitter_prob=1.0, blur_prob=1.0)
    adaptor = build({name: each | always for name, each in objectives.items()})
    wrappers = build_wrappers(adaptor)
    adaptor.train_step(alike(), wrappers)
    batch = alike(seed=1)
    with Watch() as watch:
        adaptor.train_step(batch, wrappers)
    assert watch.ours == []


def test_a_resume_draws_and_teaches_on_exactly():
    whole = build(dict(mix=MIX, mask=MASK))
    wrappers = build_wrappers(whole)
    for seed in range(3):
        whole.train_step(alike(seed=seed), wrappers)
    torch.manual_seed(77)
    resumed = build(dict(mix=MIX, mask=MASK), seed=5)
    own = build_wrappers(resumed)
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    own.load_state_dict(copy.deepcopy(wrappers.state_dict()))
    for seed in range(3, 6):
        for adaptor, each in ((whole, wrappers), (resumed, own)):
            adaptor.train_step(alike(seed=seed), each)
    assert state_gap(whole, resumed) == 0
    assert whole.objectives['mix'].draws.steps == 6


@pytest.mark.parametrize('num', [1, 3])
def test_any_batch_and_odd_sizes_and_another_segmentor(num):
    prepared = dict(size=(47, 61))
    adaptor = build(dict(mix=MIX, mask=MASK), toy_segformer())
    for domain in ('source', 'target'):
        adaptor.data_preprocessor.domains[domain].size = prepared['size']
    batch = toy_batch(num, (47, 61), (47, 61))
    logs = adaptor.train_step(batch, build_wrappers(adaptor))
    assert all(torch.isfinite(torch.as_tensor(value)) for value in logs.values())


def test_half_precision_gives_finite_losses():
    adaptor = build(dict(mix=MIX, mask=MASK))
    step = opened(adaptor, alike())
    with torch.autocast('cpu', torch.bfloat16):
        for objective in (adaptor.objectives['mix'], adaptor.objectives['mask']):
            loss = objective.losses(step)['decode.loss_ce']
            assert loss.dtype == torch.float32
            assert torch.isfinite(loss)


def test_nothing_sure_is_finite_and_teaches_the_pasted_pixels_alone():
    _, (_, _, weights, share) = mixture(threshold=1.0)
    assert share == 0
    assert set(weights.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(
    ('objective', 'said'),
    [
        (MIX | dict(threshold=96.8), r'SelfTraining: threshold is 96.8, but has to be in \[0, 1\]'),
        (MIX | dict(classes='domain'), "classes is 'domain', but has to be one of"),
        (MIX | dict(quality='mean'), "quality is 'mean'"),
        (MIX | dict(ignore_top=1.5), 'ignore_top is 1.5'),
        (MIX | dict(ignore_bottom=-3), 'ignore_bottom is -3'),
        (MIX | dict(jitter=True), 'jitter is True'),
        (MIX | dict(jitter=[0.2, 0.2, 0.2]), 'has to be in .* or four such numbers'),
        (MIX | dict(jitter=[0.2, 0.2, 0.2, 2]), 'jitter is .*2'),
        (MIX | dict(jitter='0.2'), "jitter is '0.2'"),
        (MIX | dict(heads=dict(aux_1=1.0)), "no head 'aux_1'"),
        (MASK | dict(ratio=1.0), r'MaskedConsistency: ratio is 1.0, but has to be in \[0, 1\)'),
        (MASK | dict(block=0.5), 'block is 0.5'),
        (MASK | dict(images='all'), "images is 'all'"),
        (MASK | dict(augment=1), 'augment is 1'),
    ],
)
def test_a_wrong_setting_is_told(objective, said):
    with pytest.raises(UserError, match=said):
        build(dict(term=objective))


def test_a_missing_teacher_is_told():
    with pytest.raises(
        UserError, match=r'model.objectives.mix: SelfTraining learns from a teacher'
    ):
        build(dict(mix=MIX), teacher=None)


def test_domains_of_different_sizes_are_told():
    adaptor = build(dict(mix=MIX))
    adaptor.data_preprocessor.domains['source'].size = (64, 64)
    with pytest.raises(UserError, match='source images are 2x64x64, target images 2x48x80'):
        adaptor.train_step(toy_batch(), build_wrappers(adaptor))


@pytest.mark.parametrize('term', [MIX, MASK | dict(images='source'), MASK | dict(images='both')])
def test_domains_that_are_normalised_differently_are_told(term):
    """Jitter works on pixels, which it has from the network's input by the target's statistics."""
    look = toy_preprocessor() | dict(source=dict(size=SIZE, mean=[100.0] * 3))
    with pytest.raises(UserError, match=r'objectives.term: .* give source and target one mean'):
        build(dict(term=term), data_preprocessor=look)
    build(dict(term=MASK), data_preprocessor=look)
