"""The mean of several segmentors, against maps that are averaged by hand."""

import copy

import pytest
import torch
import torch.nn.functional as F
from builders import SUPERVISION, build_adaptor
from mmengine.config import ConfigDict
from mmseg.structures import SegDataSample

from mmseg_da.errors import UserError
from mmseg_da.models import SegmentorEnsemble
from mmseg_da.registry import MODELS
from mmseg_da.testing import (
    toy_adaptor,
    toy_alignment,
    toy_preprocessor,
    toy_pspnet,
    toy_segformer,
)

SIZE, WHOLE = (48, 80), (61, 100)  # of the network's images, and of the original ones
MEAN, STD = torch.tensor([128.0, 112.0, 96.0]), torch.tensor([64.0, 64.0, 32.0])


def plain(network=toy_pspnet, **preprocessor):
    """Config of a plain segmentor, as mmseg's users have it."""
    own = dict(type='SegDataPreProcessor', mean=[128.0, 112.0, 96.0], std=[64.0, 64.0, 32.0])
    return dict(network(), data_preprocessor=own | dict(bgr_to_rgb=True) | preprocessor)


def batch(num=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (num, 3, *SIZE), generator=generator, dtype=torch.uint8)
    meta = dict(img_shape=SIZE, ori_shape=WHOLE)
    return dict(
        inputs=list(images), data_samples=[SegDataSample(metainfo=meta) for _ in range(num)]
    )


def logits(segmentor, of=None):
    """What a segmentor says of the batch, step by step; ``of`` acts on the head's own map."""
    images = torch.stack(batch()['inputs']).flip(1).float()
    images = (images - MEAN[:, None, None]) / STD[:, None, None]
    scores = segmentor.decode_head(segmentor.backbone(images))
    for size in (None, SIZE, WHOLE):  # as mmseg does: to the image, then to the original
        if size is None:
            scores = of(scores) if of else scores
        else:
            scores = F.interpolate(scores, size, mode='bilinear', align_corners=False)
    return scores


def softmax(scores):
    return scores.softmax(dim=1)


@pytest.fixture
def two():
    """Two segmentors of one network with other weights."""
    segmentors = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        segmentor = MODELS.build(plain()).eval()
        segmentor.init_weights()
        torch.nn.init.normal_(segmentor.decode_head.conv_seg.weight, std=3.0)
        segmentors.append(segmentor)
    return segmentors


@pytest.fixture
def saved(two, tmp_path):
    """Their checkpoints, as mmengine writes them."""
    files = []
    for number, segmentor in enumerate(two):
        files.append(str(tmp_path / f'{number}.pth'))
        meta = dict(dataset_meta=dict(classes=('a', 'b', 'c', 'd')))
        torch.save(dict(meta=meta, state_dict=segmentor.state_dict()), files[-1])
    return files


def ensemble(files, cfg=None, **settings):
    members = [cfg or plain()] * len(files)
    return SegmentorEnsemble(members, files, **settings).eval()


@torch.no_grad()
def predict(model):
    samples = model.test_step(batch())
    scores = torch.stack([each.seg_logits.data for each in samples])
    labels = torch.stack([each.pred_sem_seg.data for each in samples]).squeeze(1)
    return scores, labels


@pytest.mark.stack
@pytest.mark.parametrize('weights', [None, [0.5, 0.5], [3, 1]])
def test_logits_are_averaged_at_the_original_size(two, saved, weights):
    scores, labels = predict(ensemble(saved, weights=weights))
    share = 0.75 if weights == [3, 1] else 0.5
    expected = share * logits(two[0]) + (1 - share) * logits(two[1])
    torch.testing.assert_close(scores, expected)
    assert torch.equal(labels, expected.argmax(1))
    assert any(not torch.equal(labels, logits(each).argmax(1)) for each in two)


@pytest.mark.parametrize('average', ['softmax', 'softmax_lowres'])
def test_probabilities_are_averaged_before_or_after_they_are_enlarged(two, saved, average):
    scores, labels = predict(ensemble(saved, average=average))
    if average == 'softmax':
        maps = [softmax(logits(each)) for each in two]
    else:
        maps = [logits(each, of=softmax) for each in two]
    expected = (maps[0] + maps[1]) / 2
    torch.testing.assert_close(scores.softmax(1), expected)
    assert torch.equal(labels, expected.argmax(1))


def test_the_three_ways_differ(saved):
    found = [predict(ensemble(saved, average=each))[1] for each in ('logits', 'softmax')]
    low = predict(ensemble(saved, average='softmax_lowres'))[0].softmax(1)
    assert not torch.equal(*found)
    assert not torch.allclose(low, predict(ensemble(saved, average='softmax'))[0].softmax(1))


@pytest.mark.stack
def test_one_checkpoint_twice_is_itself(two, saved):
    alone = predict(two[0])
    for both in (predict(ensemble([saved[0]] * 2)), predict(ensemble([saved[0]]))):
        assert all(torch.equal(mine, own) for mine, own in zip(both, alone, strict=True))


def test_slid_windows_are_averaged(two, saved):
    slid = plain()
    slid['test_cfg'] = ConfigDict(mode='slide', crop_size=(48, 48), stride=(32, 32))
    both = predict(ensemble(saved, slid, average='softmax_lowres'))[0].softmax(1)
    maps = []
    for segmentor in two:
        segmentor.test_cfg = MODELS.build(slid).test_cfg
        keep = segmentor.decode_head.predict_by_feat
        segmentor.decode_head.predict_by_feat = lambda x, metas, keep=keep: keep(softmax(x), metas)
        maps.append(predict(segmentor)[0])
    torch.testing.assert_close(both, (maps[0] + maps[1]) / 2)


@pytest.mark.stack
def test_adaptors_and_plain_networks_go_together(two, saved, tmp_path):
    adaptor = build_adaptor(dict(seg=SUPERVISION, adv=toy_alignment()), toy_segformer()).eval()
    file = str(tmp_path / 'adaptor.pth')
    torch.save(dict(state_dict=adaptor.state_dict()), file)
    cfg = toy_adaptor(toy_segformer(), dict(seg=SUPERVISION))
    model = SegmentorEnsemble([plain(), cfg], [saved[0], file]).eval()
    assert not any('auxiliary_head' in name or 'objectives' in name for name in model.state_dict())
    expected = (predict(two[0])[0] + predict(adaptor)[0]) / 2
    torch.testing.assert_close(predict(model)[0], expected)
    inner = dict(cfg, data_preprocessor=None)
    inner['segmentor'] = dict(inner['segmentor'], data_preprocessor=toy_preprocessor())
    again = SegmentorEnsemble([plain(), inner], [saved[0], file]).eval()
    assert torch.equal(predict(again)[0], predict(model)[0])


def test_each_member_prepares_images_its_own_way(saved):
    grey = plain(mean=[0.0] * 3, std=[255.0] * 3)
    members = [plain(), grey]
    both = predict(SegmentorEnsemble(members, [saved[0]] * 2).eval())[0]
    shared = SegmentorEnsemble(
        [toy_pspnet(), grey], [saved[0]] * 2, data_preprocessor=plain()['data_preprocessor']
    )
    assert torch.equal(predict(shared.eval())[0], both)
    alone = [predict(SegmentorEnsemble([each], [saved[0]]).eval())[0] for each in members]
    assert not torch.allclose(*alone)
    torch.testing.assert_close(both, (alone[0] + alone[1]) / 2)


def test_single_channels_are_averaged_as_sigmoids(two, tmp_path):
    cfg = plain(toy_segformer)
    loss = dict(type='CrossEntropyLoss', use_sigmoid=True)
    cfg['decode_head'].update(num_classes=2, out_channels=1, threshold=0.4, loss_decode=loss)
    files, maps = [], []
    for seed in (1, 2):
        torch.manual_seed(seed)
        segmentor = MODELS.build(cfg).eval()
        files.append(str(tmp_path / f'{seed}.pth'))
        torch.save(dict(state_dict=segmentor.state_dict()), files[-1])
        maps.append(logits(segmentor).sigmoid())
    scores, labels = predict(ensemble(files, cfg, average='softmax'))
    expected = (maps[0] + maps[1]) / 2
    torch.testing.assert_close(scores, expected)
    assert torch.equal(labels, (expected > 0.4).squeeze(1).float())
    with pytest.raises(UserError, match=r"average='logits' needs two channels .*'softmax'"):
        ensemble(files, cfg)


def test_samples_keep_what_they_came_with(saved):
    data = batch()
    for number, sample in enumerate(data['data_samples']):
        sample.set_metainfo(dict(img_path=f'{number}.png'))
    given = [copy.deepcopy(each) for each in data['data_samples']]
    with torch.no_grad():
        samples = ensemble(saved).test_step(data)
    assert [each.img_path for each in samples] == ['0.png', '1.png']
    for before, after in zip(given, data['data_samples'], strict=True):
        assert 'seg_logits' not in after
        assert before.metainfo == after.metainfo


def test_old_checkpoints_without_counters_are_taken(two, saved, tmp_path):
    state = {k: v for k, v in two[0].state_dict().items() if 'num_batches' not in k}
    torch.save(state, tmp_path / 'old.pth')
    old = predict(ensemble([str(tmp_path / 'old.pth')]))
    assert torch.equal(old[0], predict(ensemble(saved[:1]))[0])


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(members=[]), '`members` is empty'),
        (dict(members=[toy_pspnet()]), 'a member has no `data_preprocessor`'),
        (dict(average='median'), "average='median' is none of .*'softmax_lowres'"),
        (dict(weights=[1.0]), r'1 weights for 2 members \(--weights\)'),
        (dict(weights=[1.0, -1.0]), 'must not be negative'),
        (dict(weights=[0.0, 0.0]), 'nor all of them 0'),
        (dict(weights=[float('nan'), 1.0]), 'nor all of them 0'),
        (dict(checkpoints=['a.pth']), '1 checkpoints for 2 members'),
        (dict(checkpoints=['a.pth', 'b.pth']), r'a\.pth does not exist'),
    ],
)
def test_a_mistake_is_named(settings, message):
    with pytest.raises(UserError, match=message):
        SegmentorEnsemble(**dict(members=[plain(), plain()]) | settings)


def test_other_numbers_of_classes_are_told():
    other = plain()
    other['decode_head'] = dict(other['decode_head'], num_classes=7)
    with pytest.raises(UserError, match=r'differ in num_classes, \[4, 7\]'):
        SegmentorEnsemble([plain(), other])


def test_classes_in_another_order_are_told(saved, tmp_path):
    held = torch.load(saved[1], weights_only=True)
    held['meta']['dataset_meta']['classes'] = ('b', 'a', 'c', 'd')
    torch.save(held, saved[1])
    with pytest.raises(UserError, match=r'1\.pth: was trained on the classes b, a, c, d, but .*0'):
        ensemble(saved)


def test_a_foreign_checkpoint_is_told(saved, tmp_path):
    other = MODELS.build(plain(toy_segformer))
    file = str(tmp_path / 'segformer.pth')
    torch.save(dict(state_dict=other.state_dict()), file)
    with pytest.raises(UserError, match=r'segformer\.pth: its segmentor is another network'):
        ensemble([saved[0], file])


def test_masks_have_no_low_resolution_to_average(saved):
    cascade = plain()
    head = cascade['decode_head']
    cascade.update(type='CascadeEncoderDecoder', num_stages=1, decode_head=[head])
    with pytest.raises(UserError, match='CascadeEncoderDecoder refines its output'):
        SegmentorEnsemble([cascade], average='softmax_lowres')
