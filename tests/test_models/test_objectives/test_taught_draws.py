"""How often and in which range the objectives with a teacher draw what they change images by.

The plain iteration takes the product's own numbers, so equality says nothing about these.
"""

import math

import pytest
import torch
from builders import build_wrappers
from taught_builders import MASK, MIX, alike, build

from mmseg_da.models.objectives import taught

DRAWS = 3000
KINDS = dict(mix=MIX, mask=MASK)


@pytest.fixture(params=KINDS)
def objective(request):
    return build({request.param: KINDS[request.param]}).objectives[request.param]


def opened(adaptor):
    return adaptor.begin_step(adaptor.data_preprocessor(alike(), training=True))


def near(share, expected):
    """Within four standard errors."""
    assert share == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / DRAWS))


def test_jitter_comes_in_four_of_five_batches_and_blur_in_half_and_apart(objective, monkeypatch):
    """Counted where they are applied, so a gate of the wrong direction shows."""
    seen = dict(jitter=[], blur=[])

    def seen_jitter(image, *_):
        seen['jitter'].append(number)
        return image

    def seen_blur(image, _):
        seen['blur'].append(number)
        return image

    monkeypatch.setattr(taught, 'colour_jitter', seen_jitter)
    monkeypatch.setattr(taught, 'gaussian_blur', seen_blur)
    step, images = opened(build(dict(mix=MIX))), torch.zeros(2, 3, 2, 2)
    for number in range(DRAWS):
        objective.augmented(step, images, (3, number))
    jittered, blurred = set(seen['jitter']), set(seen['blur'])
    near(len(jittered) / DRAWS, 0.8)
    near(len(blurred) / DRAWS, 0.5)
    near(len(jittered & blurred) / DRAWS, 0.4)  # the gates do not depend on each other
    for numbers in seen.values():  # both images of a batch or none
        assert len(numbers) == 2 * len(set(numbers))


def test_factors_are_uniform_around_one_and_every_order_is_as_likely(objective):
    drawn = [objective.jitter_of((3, number), 0) for number in range(DRAWS)]
    factors = torch.tensor([each for each, _ in drawn])
    for kind, middle in enumerate((1.0, 1.0, 1.0, 0.0)):
        column = factors[:, kind]
        assert middle - 0.2 <= column.min() < middle - 0.199
        assert middle + 0.199 < column.max() <= middle + 0.2
        counts = torch.histc(column, 10, middle - 0.2, middle + 0.2)
        assert ((counts - DRAWS / 10) ** 2 / (DRAWS / 10)).sum() < 27.9  # 9 degrees, 0.1 %
    assert torch.corrcoef(factors.T).fill_diagonal_(0).abs().max() < 0.08
    orders = torch.tensor([order for _, order in drawn])
    assert torch.equal(orders.sort(dim=1).values, torch.arange(4).expand(DRAWS, 4))
    _, counts = orders.unique(dim=0, return_counts=True)
    assert len(counts) == 24
    assert ((counts - DRAWS / 24) ** 2 / (DRAWS / 24)).sum() < 49.7  # 23 degrees, 0.1 %


def test_sigmas_are_uniform_from_fifteen_hundredths_to_one_more(objective):
    sigmas = torch.tensor([objective.sigma_of((3, number), 0) for number in range(DRAWS)])
    assert 0.15 <= sigmas.min() < 0.152
    assert 1.148 < sigmas.max() < 1.15
    counts = torch.histc(sigmas, 10, 0.15, 1.15)
    assert ((counts - DRAWS / 10) ** 2 / (DRAWS / 10)).sum() < 27.9


def test_images_of_a_batch_and_iterations_draw_their_own_factors(objective):
    found = {
        (tuple(factors), objective.sigma_of((3, number), image))
        for number in range(50)
        for image in range(4)
        for factors, _ in [objective.jitter_of((3, number), image)]
    }
    assert len(found) == 200


def test_the_strength_is_that_of_the_config():
    mix = build(dict(mix=MIX | dict(jitter=0.25))).objectives['mix']
    factors = torch.tensor([mix.jitter_of((3, n), 0)[0] for n in range(DRAWS)])
    assert 1.249 < factors[:, 0].max() <= 1.25
    assert -0.25 <= factors[:, 3].min() < -0.249


def test_each_kind_of_jitter_may_have_its_own_strength():
    mix = build(dict(mix=MIX | dict(jitter=[0.5, 0.25, 0.0, 0.1]))).objectives['mix']
    factors = torch.tensor([mix.jitter_of((3, n), 0)[0] for n in range(DRAWS)])
    middle = torch.tensor([1.0, 1.0, 1.0, 0.0])
    widest = (factors - middle).abs().amax(dim=0)
    torch.testing.assert_close(widest, torch.tensor([0.5, 0.25, 0.0, 0.1]), rtol=0.02, atol=0)
    one = build(dict(mix=MIX | dict(jitter=0.25))).objectives['mix']
    assert one.jitter_of((3, 1), 0)[0][1] == mix.jitter_of((3, 1), 0)[0][1]


def test_brightness_is_added_to_pixels_not_multiplied():
    """A black image becomes grey by a factor above one, in the units of the network's input."""
    adaptor = build(dict(mix=MIX | dict(jitter_prob=1.0, blur_prob=0.0)))
    mix, step = adaptor.objectives['mix'], opened(adaptor)
    black = adaptor.data_preprocessor.to_images(torch.zeros(2, 3, 4, 4), 'target')
    mix.jitter_of = lambda *_: ([1.1, 1.0, 1.0, 0.0], [0, 1, 2, 3])
    pixels = adaptor.data_preprocessor.to_pixels(mix.augmented(step, black, (0, 0)), 'target')
    torch.testing.assert_close(pixels, torch.full((2, 3, 4, 4), 25.5), rtol=0, atol=1e-3)


def test_beside_each_other_mixture_and_mask_draw_different_numbers():
    adaptor = build(dict(mix=MIX, mask=MASK))
    mix, mask = adaptor.objectives['mix'], adaptor.objectives['mask']
    pairs = torch.tensor([[o.sigma_of((3, n), 0) for o in (mix, mask)] for n in range(DRAWS)])
    assert torch.corrcoef(pairs.T)[0, 1].abs() < 0.08


def test_each_training_iteration_draws_anew_and_the_seed_decides():
    chosen = []
    for seed in (0, 0, 1):
        adaptor = build(dict(mix=MIX), seed=seed)
        wrappers, mix = build_wrappers(adaptor), adaptor.objectives['mix']
        drawn = []
        for number in range(4):
            adaptor.train_step(alike(seed=number), wrappers)
            drawn.append(mix.sigma_of(mix.draws._known, 0))  # of the next iteration
        chosen.append(drawn)
    assert chosen[0] == chosen[1]
    assert len({*chosen[0], *chosen[2]}) == 8


@pytest.mark.parametrize('sure', [0, 7, 2 * 48 * 80])
def test_the_weight_of_pseudo_labels_is_the_share_over_both_images(sure):
    """The threshold itself is sure; the denominator is every pixel of the batch."""
    adaptor = build(dict(mix=MIX | dict(threshold=0.968)))
    step = opened(adaptor)
    confidence = torch.full((2 * 48 * 80,), 0.9679)
    confidence[:sure] = 0.968
    step.teaching.verdict = torch.zeros(2, 48, 80).long(), confidence.view(2, 48, 80)
    _, weights, share = adaptor.objectives['mix'].pseudo(step)
    assert share.item() == pytest.approx(sure / (2 * 48 * 80), rel=1e-6)
    assert weights.unique().tolist() == [share.item()]
