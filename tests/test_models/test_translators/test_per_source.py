"""Each source by a translator of its own."""

import pytest
import torch
from builders import SUPERVISION, build_adaptor, build_wrappers
from host_sync import Watch

from mmseg_da.errors import UserError
from mmseg_da.models import PerSourceTranslator, Translator
from mmseg_da.registry import MODELS
from mmseg_da.testing import toy_batch

GENERATOR = dict(type='ResnetGenerator', channels=4, blocks=1, downs=1)
FROZEN = dict(type='FrozenTranslator', generator=GENERATOR)


@MODELS.register_module()
class Shifted(Translator):
    """Adds a number and a tenth of the target image of the same place."""

    def __init__(self, by):
        super().__init__()
        self.by, self.seen = by, []

    def translate(self, source, target):
        self.seen.append((len(source), len(target)))
        return source + self.by + target.mean(dim=(1, 2, 3), keepdim=True) / 10


def shifted(by):
    return dict(type='Shifted', by=by)


def samples(origins):
    made = toy_batch(len(origins))['source']['data_samples']
    for sample, origin in zip(made, origins, strict=True):
        sample.set_metainfo(dict(source_index=origin))
    return made


def images(num, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 255 * torch.rand(num, 3, 8, 12, generator=generator)


@pytest.mark.parametrize('origins', [[0, 1, 2, 1], [2, 2, 2, 2], [1], [2, 0]])
def test_each_image_goes_through_the_translator_of_its_source(origins):
    translator = PerSourceTranslator([shifted(1.0), None, shifted(100.0)])
    source, target = images(len(origins)), images(len(origins), 1)
    found = translator.translate_samples(source, target, samples(origins))
    for place, origin in enumerate(origins):
        expected = source[place]
        if origin != 1:
            expected = expected + {0: 1.0, 2: 100.0}[origin] + target[place].mean() / 10
        torch.testing.assert_close(found[place], expected)


def test_a_translator_is_called_once_with_all_images_of_its_source():
    translator = PerSourceTranslator([shifted(0.0), shifted(1.0)])
    translator.translate_samples(images(4), images(4, 1), samples([0, 1, 0, 0]))
    assert [each.seen for each in translator.translators.values()] == [[(3, 3)], [(1, 1)]]


def test_one_translator_for_all_is_the_same_as_it_alone():
    torch.manual_seed(0)
    translator = PerSourceTranslator([FROZEN, None])
    alone = translator.translators['0']
    source, target = images(3), images(3, 1)
    found = translator.translate_samples(source, target, samples([0, 0, 0]))
    assert torch.equal(found, alone.translate(source, target))


def test_sides_have_to_fit_every_translator():
    translator = PerSourceTranslator(
        [FROZEN, FROZEN | dict(generator=GENERATOR | dict(downs=2)), shifted(1.0)]
    )
    assert translator.divisor == 4
    assert translator.min_size == max(each.min_size for each in translator.translators.values())


def adaptor_of(translators):
    return build_adaptor(
        dict(seg=SUPERVISION), translator=dict(type='PerSourceTranslator', translators=translators)
    )


def test_an_adaptor_learns_from_what_each_translator_gives():
    adaptor = adaptor_of([shifted(1.0), None])
    data = adaptor.data_preprocessor(toy_batch(4, sources=2), training=True)
    before = data['source']['inputs'].clone()
    step = adaptor.begin_step(data)
    changed = (step.source.images - before).abs().flatten(1).amax(1)
    assert (changed[0::2] > 0.01).all()
    assert (changed[1::2] < 1e-5).all()


def test_weights_of_each_lie_in_the_checkpoint_and_stay():
    adaptor = adaptor_of([FROZEN, FROZEN])
    before = {key: value.clone() for key, value in adaptor.translator.state_dict().items()}
    assert {key.split('.')[1] for key in before} == {'0', '1'}
    adaptor.train_step(toy_batch(4, sources=2), build_wrappers(adaptor))
    after = adaptor.translator.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_nothing_waits_for_the_device():
    adaptor = adaptor_of([FROZEN, None, FROZEN])
    wrappers = build_wrappers(adaptor)
    batch = toy_batch(4, sources=3)
    with Watch() as watch:
        adaptor.train_step(batch, wrappers)
    assert watch.ours == []


@pytest.mark.parametrize(
    ('translators', 'words'),
    [
        ([], 'has to be a list'),
        ([None], 'has to be a list'),
        (FROZEN, 'has to be a list'),
        ('stage:translate', 'has to be a list'),
        ([FROZEN, GENERATOR], r'translators\[1\], ResnetGenerator, is not a Translator'),
        ([dict(type='PerSourceTranslator', translators=[FROZEN])], r'translators\[0\].* is not a'),
    ],
)
def test_what_is_no_list_of_translators_is_told(translators, words):
    with pytest.raises(UserError, match=f'PerSourceTranslator: .*{words}'):
        adaptor_of(translators)


def test_an_image_of_a_source_without_translator_is_told():
    adaptor = adaptor_of([shifted(1.0), None])
    with pytest.raises(UserError, match='2 translators, but an image is of source 2'):
        adaptor.train_step(toy_batch(3, sources=3), build_wrappers(adaptor))
