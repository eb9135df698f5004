"""The pool of images against a plain list with the same draws; its statistics; going on."""

import io

import pytest
import torch
from host_sync import Watch
from torch import nn

from mmseg_da.errors import UserError
from mmseg_da.models import ImagePool

SHAPE = (3, 2, 4)


class LiteralPool:
    """The pool as CycleGAN describes it, on a list."""

    def __init__(self, size: int) -> None:
        self.size, self.kept = size, []

    def query(self, images, draws):
        returned = []
        for image, swap, place in zip(images, *draws.tolist(), strict=True):
            if len(self.kept) < self.size:
                self.kept.append(image)
                returned.append(image)
            elif swap > 0.5:
                place = int(place * self.size)
                returned.append(self.kept[place])
                self.kept[place] = image
            else:
                returned.append(image)
        return torch.stack(returned)


def batches(number, size, seed=0, dtype=torch.float32):
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(number, size, *SHAPE, generator=rng, dtype=dtype) * 2 - 1


def numbered(start, stop):
    """Images that are filled with their number."""
    return torch.arange(float(start), float(stop)).view(-1, 1, 1, 1).expand(-1, *SHAPE)


@pytest.mark.stack
@pytest.mark.parametrize(('size', 'batch'), [(1, 1), (5, 1), (4, 3), (7, 16)])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_it_returns_what_a_list_with_the_same_draws_does(size, batch, dtype):
    pool, literal = ImagePool(size), LiteralPool(size)
    swapped = 0
    for images in batches(40, batch, dtype=dtype):
        state = torch.get_rng_state()
        returned = pool.query(images)
        torch.set_rng_state(state)
        expected = literal.query(images, torch.rand(2, batch))
        assert torch.equal(returned, expected)
        assert returned.dtype == dtype
        swapped += (returned != images).flatten(1).any(1).sum().item()
    assert torch.equal(pool.images, torch.stack(literal.kept))
    assert pool.count.item() == size
    assert swapped > 5


def test_each_query_draws_one_tensor_whatever_happens():
    pool = ImagePool(3)
    for images in batches(4, 2):  # filling, full in the midst, full
        state = torch.get_rng_state()
        pool.query(images)
        after = torch.get_rng_state()
        torch.set_rng_state(state)
        torch.rand(2, 2)
        assert torch.equal(torch.get_rng_state(), after)


def test_it_does_not_wait_for_the_device():
    pool = ImagePool(3)
    with Watch(also_ours=(__file__,)) as watch:
        for images in batches(4, 2):
            pool.query(images)
    assert watch.ours == watch.theirs == []
    with Watch(also_ours=(__file__,)) as watch:
        pool.images[pool.count - 1]  # which the watch would see
    assert len(watch.ours) == 1


def test_it_returns_half_of_the_old_ones_and_picks_each_place_alike():
    size, number = 10, 5000
    pool = ImagePool(size)
    assert torch.equal(pool.query(numbered(0, size)), numbered(0, size))
    places = {float(i): i for i in range(size)}
    picked = torch.zeros(size)
    for start in range(size, size + number, 500):
        images = numbered(start, start + 500)
        returned = pool.query(images)[:, 0, 0, 0].tolist()
        for new, back in zip(range(start, start + 500), returned, strict=True):
            if back != new:
                place = places.pop(back)  # nothing comes back twice
                places[float(new)] = place
                picked[place] += 1
    assert picked.sum().item() / number == pytest.approx(0.5, abs=0.03)
    expected = picked.sum() / size
    assert ((picked - expected).square() / expected).sum() < 27.9  # chi square, 9 degrees, 0.001
    assert sorted(places) == sorted(pool.images[:, 0, 0, 0].tolist())


def test_the_largest_draw_picks_the_last_place(monkeypatch):
    pool = ImagePool(50)
    pool.query(numbered(0, 50))
    largest = 1 - 2**-24  # times 50 it rounds to 50 in single precision, or to just below
    monkeypatch.setattr(torch, 'rand', lambda *size, **_: torch.full(size, largest))
    assert torch.equal(pool.query(numbered(50, 51)), numbered(49, 50))


def test_what_it_returns_has_no_graph_and_stays():
    pool = ImagePool(1)
    weight = nn.Parameter(torch.ones(()))
    first = pool.query(weight * numbered(0, 1))
    assert not first.requires_grad
    for number in range(1, 20):
        pool.query(numbered(number, number + 1))
    assert pool.images[0, 0, 0, 0] > 0
    assert torch.equal(first, numbered(0, 1))
    assert not pool.images.requires_grad


def test_a_pool_of_none_returns_every_image():
    pool = ImagePool(0)
    images = batches(1, 3)[0].requires_grad_()
    state = torch.get_rng_state()
    returned = pool.query(images)
    assert torch.equal(returned, images)
    assert not returned.requires_grad
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(UserError, match='size=-1'):
        ImagePool(-1)


def test_half_precision_comes_back_as_it_came():
    pool = ImagePool(2)
    images = batches(1, 2)[0].bfloat16()
    pool.query(images)
    assert pool.images.dtype == torch.float32
    returned = torch.cat([pool.query(-images) for _ in range(8)])
    assert returned.dtype == torch.bfloat16
    known = {tuple(image.flatten().tolist()) for image in torch.cat([images, -images])}
    assert {tuple(image.flatten().tolist()) for image in returned} <= known


@pytest.mark.stack
@pytest.mark.parametrize('when', [0, 2, 9])  # before the first query, filling, full
def test_it_goes_on_exactly_from_a_checkpoint(when):
    images = batches(16, 2)
    whole, file = ImagePool(5), io.BytesIO()
    for i, batch in enumerate(images):
        if i == when:
            torch.save((whole.state_dict(), torch.get_rng_state()), file)
            expected = []
        returned = whole.query(batch)
        if i >= when:
            expected.append(returned)
    file.seek(0)
    state, rng = torch.load(file, weights_only=True)
    resumed = nn.Sequential(ImagePool(5))
    resumed.load_state_dict({f'0.{key}': value for key, value in state.items()})
    torch.set_rng_state(rng)
    again = [resumed[0].query(batch) for batch in images[when:]]
    assert torch.equal(torch.stack(again), torch.stack(expected))
    assert torch.equal(resumed[0].images, whole.images)


def test_another_image_size_is_told():
    pool = ImagePool(2)
    pool.query(torch.zeros(1, 3, 8, 12))
    with pytest.raises(UserError, match=r'holds images of 8x12 .* come some of 16x12'):
        pool.query(torch.zeros(1, 3, 16, 12))
    assert pool.count.item() == 1


def test_a_checkpoint_of_another_number_is_told():
    pool = ImagePool(4)
    pool.query(batches(1, 2)[0])
    with pytest.raises(UserError, match=r'keeps 4 images, that of the config 6: set .* to 4'):
        ImagePool(6).load_state_dict(pool.state_dict())
