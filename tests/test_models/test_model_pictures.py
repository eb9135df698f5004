"""What a model shows of itself: the right images in the right colours, and its own predictions."""

import pytest
import torch
from builders import SUPERVISION, build_adaptor, snapshot, state_gap

from mmseg_da.models import CycleTranslator, DomainAdaptor, PhasedModel, Translator
from mmseg_da.registry import MODELS
from mmseg_da.structures import predict_labels
from mmseg_da.testing import toy_alignment, toy_batch, toy_preprocessor, toy_pspnet

GENERATOR = dict(type='ResnetGenerator', blocks=1, channels=4)
OBJECTIVES = dict(seg=SUPERVISION, adv=toy_alignment())


def rgb(batch, domain):
    """The loader's BGR pixels as RGB floats."""
    return torch.stack(batch[domain]['inputs']).flip(1).float()


@torch.no_grad()
def pictures(model, batch):
    model.eval()
    return model.pictures(model.data_preprocessor(batch, training=True))


@torch.no_grad()
def undecided(adaptor):
    """The same with a classifier that scores all classes alike on average, so that it sees many."""
    segmentor, batch = adaptor.segmentor.eval(), adaptor.data_preprocessor(toy_batch(), True)
    logits = [segmentor(batch[name]['inputs']).mean((0, 2, 3)) for name in ('source', 'target')]
    segmentor.decode_head.conv_seg.bias.data.sub_(sum(logits) / 2)
    return adaptor


def several_classes(shown):
    return len(torch.cat([row['prediction'].flatten() for row in shown.values()]).unique()) > 1


@torch.no_grad()
def expected_prediction(segmentor, inputs, data_samples):
    """What mmseg itself predicts."""
    predicted = segmentor.predict(inputs, data_samples)
    return torch.cat([sample.pred_sem_seg.data for sample in predicted])


@torch.no_grad()
def test_a_teacher_is_shown_on_the_target():
    adaptor = undecided(build_adaptor(OBJECTIVES, teacher=dict(alpha=0.9)))
    for mine in adaptor.teacher.net.parameters():
        mine.mul_(0.9)  # so that it is another network
    before, batch = snapshot(adaptor), toy_batch()
    shown = pictures(adaptor, batch)
    assert list(shown['target']) == ['image', 'prediction', 'teacher']
    assert 'teacher' not in shown['source']
    data = adaptor.data_preprocessor(batch, training=True)['target']
    expected = expected_prediction(adaptor.teacher.net, **data)
    assert torch.equal(shown['target']['teacher'], expected)
    assert not torch.equal(shown['target']['teacher'], shown['target']['prediction'])
    assert state_gap(adaptor, before) == 0


@pytest.mark.stack
def test_an_adaptor_shows_images_predictions_and_labels():
    adaptor, batch = undecided(build_adaptor(OBJECTIVES)), toy_batch()
    before = snapshot(adaptor)
    shown = pictures(adaptor, batch)
    assert {name: list(row) for name, row in shown.items()} == dict(
        source=['image', 'prediction', 'ground truth'], target=['image', 'prediction']
    )
    data = adaptor.data_preprocessor(batch, training=True)
    for name, row in shown.items():
        torch.testing.assert_close(row['image'], rgb(batch, name), atol=1e-3, rtol=0)
        expected = expected_prediction(adaptor.segmentor, **data[name])
        assert torch.equal(row['prediction'], expected)
    assert several_classes(shown)
    truth = torch.cat([sample.gt_sem_seg.data for sample in batch['source']['data_samples']])
    assert torch.equal(shown['source']['ground truth'], truth)
    assert state_gap(adaptor, before) == 0


class Negative(Translator):
    """Turns brightness round, far beyond white."""

    def translate(self, source, target):
        return 400.0 - source


@pytest.fixture
def _negative():
    MODELS.register_module(module=Negative)
    yield
    MODELS.module_dict.pop('Negative')


@pytest.mark.usefixtures('_negative')
@pytest.mark.parametrize('kind', ['DomainAdaptor', 'AlternatingAdaptor'])
def test_an_adaptor_predicts_on_the_translated_image_beside_the_original(kind):
    translator = dict(type='Negative')
    adaptor, batch = build_adaptor(OBJECTIVES, type=kind, translator=translator), toy_batch()
    undecided(adaptor)
    row = pictures(adaptor, batch)['source']
    assert list(row) == ['image', 'translated', 'prediction', 'ground truth']
    torch.testing.assert_close(row['image'], rgb(batch, 'source'), atol=1e-3, rtol=0)
    torch.testing.assert_close(row['translated'], 400 - row['image'], atol=1e-3, rtol=0)
    images = adaptor.data_preprocessor.to_images(row['translated'], 'source')
    with torch.no_grad():
        assert torch.equal(row['prediction'], predict_labels(adaptor.segmentor, images))


def build_translator(**settings) -> CycleTranslator:
    torch.manual_seed(0)
    unit_range = toy_preprocessor() | dict(mean=[127.5] * 3, std=[127.5] * 3)
    rival = dict(type='PatchDiscriminator', channels=4, layers=1)
    cfg = dict(type='CycleTranslator', generator=GENERATOR, discriminator=rival)
    model = MODELS.build(cfg | dict(data_preprocessor=unit_range, pool_size=2) | settings)
    model.init_weights()
    return model.train()


@pytest.mark.stack
def test_a_translator_shows_each_domain_in_the_others_look_and_back():
    model, batch = build_translator(), toy_batch()
    shown = pictures(model, batch)
    assert list(shown) == ['source', 'target']
    for name, other in (('source', 'target'), ('target', 'source')):
        row = shown[name]
        assert list(row) == ['image', 'translated', 'back again']
        torch.testing.assert_close(row['image'], rgb(batch, name), atol=1e-3, rtol=0)
        forth = model.generators[f'{name}_to_{other}']
        back = model.generators[f'{other}_to_{name}']
        with torch.no_grad():
            translated = forth(rgb(batch, name) / 127.5 - 1)
            returned = back(translated)
        for title, unit in (('translated', translated), ('back again', returned)):
            torch.testing.assert_close(row[title], (unit + 1) * 127.5, atol=1e-2, rtol=0)
    assert model.pools['source'].count == 0  # no picture gets into the history


@pytest.mark.parametrize(
    ('options', 'domains'),
    [(dict(), ['source', 'target']), (dict(direction='source'), ['source']), (dict(weight=0), [])],
)
def test_a_translator_shows_the_classes_that_its_segmentor_compares(options, domains):
    semantics = dict(segmentor=toy_pspnet(), data_preprocessor=toy_preprocessor(), **options)
    model = build_translator(semantics=semantics)
    shown = pictures(model, toy_batch())
    titles = ['classes in image', 'classes in translated']
    assert [name for name, row in shown.items() if set(titles) <= set(row)] == domains
    assert sum(title in row for row in shown.values() for title in titles) == 2 * len(domains)
    for name in domains:
        for title, look in zip(titles, ('image', 'translated'), strict=True):
            images = shown[name][look] / 127.5 - 1
            with torch.no_grad():
                seen = model.semantics.logits(images).argmax(1)
            assert (shown[name][title] == seen).float().mean() > 0.999


def test_a_joint_adaptor_shows_both():
    rival = dict(type='PatchDiscriminator', channels=4, layers=1)
    adaptor = build_adaptor(
        dict(seg=SUPERVISION),
        type='JointAdaptor',
        translator=dict(generator=GENERATOR, discriminator=rival),
    )
    undecided(adaptor)
    batch = toy_batch()
    shown = pictures(adaptor, batch)
    translation = ['image', 'translated', 'back again', 'prediction']
    assert {name: list(row) for name, row in shown.items()} == dict(
        source=[*translation, 'ground truth'], target=translation
    )
    for name, row in shown.items():
        torch.testing.assert_close(row['image'], rgb(batch, name), atol=1e-2, rtol=0)
        seen = row['translated'] if name == 'source' else row['image']
        images = adaptor.data_preprocessor.to_images(seen, name)
        with torch.no_grad():
            expected = predict_labels(adaptor.segmentor, images)
        assert (row['prediction'] == expected).float().mean() > 0.999
    assert several_classes(shown)
    truth = torch.cat([sample.gt_sem_seg.data for sample in batch['source']['data_samples']])
    assert torch.equal(shown['source']['ground truth'], truth)


def test_a_binary_head_shows_its_foreground():
    cfg = toy_pspnet()
    cfg['decode_head'].update(num_classes=2, out_channels=1, threshold=0.4)
    segmentor = MODELS.build(cfg).eval()
    batch = toy_batch()
    images = rgb(batch, 'source') / 100
    segmentor.decode_head.conv_seg.weight.data.mul_(1000)
    expected = expected_prediction(segmentor, images, batch['source']['data_samples'])
    shown = predict_labels(segmentor, images)
    assert shown.dtype == torch.int64
    assert torch.equal(shown, expected.long())
    assert 0 < shown.float().mean() < 1


def test_a_model_shows_nothing_unless_it_says_what():
    assert PhasedModel.pictures(object(), toy_batch()) == {}
    assert DomainAdaptor.pictures is not PhasedModel.pictures
