"""Distance to ImageNet's features: cells of things, the frozen encoder, names."""

import copy

import pytest
import torch
from builders import SUPERVISION, build_adaptor, build_wrappers, state_gap

from mmseg_da.errors import UserError
from mmseg_da.testing import toy_batch

CLASSES = ('road', 'car', 'sky', 'person')
DISTANCE = dict(type='FeatureDistance', things=['person', 'car'], loss_weight=0.5)


def build(**options):
    adaptor = build_adaptor(dict(seg=SUPERVISION, fd=DISTANCE | options)).double()
    adaptor.name_classes(CLASSES)
    return adaptor


def blocky(seed=0):
    """A batch whose labels have cells of one class."""
    batch = toy_batch(2, seed=seed)
    for number, sample in enumerate(batch['source']['data_samples']):
        labels = sample.gt_sem_seg.data
        labels[:] = 0
        labels[:, 8:24, 16:40] = 1
        labels[:, 24:, : 8 * (number + 1)] = 3
    return batch


def losses_of(adaptor, batch):
    adaptor.train()
    step = adaptor.begin_step(adaptor.data_preprocessor(batch, training=True))
    with step.opened(('source',)):
        return adaptor.objectives['fd'].losses(step), step


def test_the_mean_is_over_cells_of_things():
    adaptor = build()
    for each in adaptor.segmentor.backbone.parameters():
        each.data *= 1.1
    found, step = losses_of(adaptor, blocky())
    objective = adaptor.objectives['fd']
    labels = torch.cat([each.gt_sem_seg.data for each in step.source.samples])
    with step.opened(('source',)):
        features = step.source.dense.feats[-1].detach()
    reference = objective.encoder(step.source.images)[-1]
    distances = []
    side = labels.shape[-1] // features.shape[-1]
    for n in range(len(labels)):
        for y in range(features.shape[2]):
            for x in range(features.shape[3]):
                cell = labels[n, y * side : (y + 1) * side, x * side : (x + 1) * side]
                if any((cell == thing).float().mean() >= 0.75 for thing in (1, 3)):
                    distances.append((features - reference)[n, :, y, x].square().sum().sqrt())
    assert len(distances) == found['cells'] > 4
    expected = 0.5 * torch.stack(distances).mean()
    assert found['loss_distance'].item() == pytest.approx(expected.item(), rel=1e-9)


def test_no_thing_gives_nothing_and_no_nan():
    adaptor = build(things=['sky'])
    adaptor.segmentor.backbone.stem[0].weight.data *= 1.1
    found, _ = losses_of(adaptor, blocky())
    assert (found['loss_distance'].item(), found['cells'].item()) == (0, 0)
    found['loss_distance'].backward()
    grads = [each.grad for each in adaptor.segmentor.parameters() if each.grad is not None]
    assert grads
    assert all((each == 0).all() for each in grads)


def test_at_the_start_the_distance_is_that_of_training_mode_alone():
    adaptor = build()
    adaptor.segmentor.backbone.eval()
    step = adaptor.begin_step(adaptor.data_preprocessor(blocky(), training=True))
    with step.opened(('source',)):
        found = adaptor.objectives['fd'].losses(step)
    assert found['loss_distance'] == 0
    found['loss_distance'].backward()
    assert all(torch.isfinite(p.grad).all() for p in adaptor.segmentor.backbone.parameters())


def test_the_encoder_never_moves_and_keeps_no_graph():
    adaptor = build()
    before = copy.deepcopy(adaptor.objectives['fd'].encoder)
    wrappers = build_wrappers(adaptor)
    for seed in range(2):
        adaptor.train_step(blocky(seed), wrappers)
    encoder = adaptor.objectives['fd'].encoder
    assert state_gap(encoder, before) == 0
    assert state_gap(encoder, adaptor.segmentor.backbone) > 0
    assert not any(module.training for module in encoder.modules())
    assert not any(each.requires_grad for each in encoder.parameters())


def test_the_encoder_is_the_initial_backbone_and_load_from_leaves_it():
    adaptor = build()
    adaptor.init_weights()
    encoder = adaptor.objectives['fd'].encoder
    assert state_gap(encoder, adaptor.segmentor.backbone) == 0
    plain = {key: value + 1 for key, value in adaptor.segmentor.state_dict().items()}
    adaptor.load_state_dict(plain, strict=False)
    assert state_gap(encoder, adaptor.segmentor.backbone) >= 1


def test_a_checkpoint_holds_the_encoder_once():
    keys = build().state_dict()
    encoder = [key for key in keys if 'encoder' in key]
    backbone = [key for key in keys if key.startswith('segmentor.backbone.')]
    assert len(encoder) == len(backbone) == len([key for key in keys if 'backbone' in key])


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (dict(things=[]), r'things is \[\]'),
        (dict(things='car'), "things is 'car', but has to be a list of class names"),
        (dict(min_share=0), r'min_share is 0, but has to be in \(0, 1\]'),
        (dict(min_share=True), 'min_share is True'),
        (dict(level=1.0), 'level is 1.0'),
        (
            dict(things=['rider']),
            "things has 'rider', but the classes .* are road, car, sky, person",
        ),
    ],
)
def test_what_cannot_be_is_told(options, said):
    with pytest.raises(UserError, match=said):
        build(**options)


@pytest.mark.parametrize('level', [4, -5])
def test_a_level_that_is_not_there_is_told_before_a_training(level):
    with pytest.raises(UserError, match=f'level is {level}, but the backbone has 4 outputs'):
        build(level=level)


def test_a_backbone_that_does_not_say_how_many_it_has_is_told_by_its_outputs():
    adaptor = build()
    adaptor.objectives['fd'].level = 4
    with pytest.raises(UserError, match='level is 4, but the backbone has 4 outputs'):
        losses_of(adaptor, blocky())


def test_classes_without_names_are_told():
    adaptor = build_adaptor(dict(seg=SUPERVISION, fd=DISTANCE))
    with pytest.raises(UserError, match='nobody has named the classes'):
        losses_of(adaptor, blocky())
