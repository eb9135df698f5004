"""Which segmentors can be asked for their logits, and what they say."""

import copy

import pytest
import torch

from mmseg_da.errors import UserError
from mmseg_da.models import DomainAdaptor
from mmseg_da.registry import MODELS
from mmseg_da.structures import dense_forward, heads_of, require_dense
from mmseg_da.testing import toy_pspnet, toy_segformer

HEAD = dict(num_classes=4, channels=8, align_corners=False, norm_cfg=dict(type='BN'))
LOSS = dict(type='CrossEntropyLoss', loss_weight=1.0)
MASKS = dict(
    in_channels=[4, 8, 16, 32],
    in_index=[0, 1, 2, 3],
    feat_channels=8,
    out_channels=8,
    num_queries=4,
    num_classes=4,
)


def with_head(**head) -> dict:
    """A toy whose decode head is another one."""
    cfg = toy_pspnet()
    cfg['decode_head'] = head
    return cfg


def with_auxiliary(*heads: dict) -> dict:
    cfg = toy_pspnet()
    cfg['auxiliary_head'] = list(heads)
    return cfg


UNFIT = {
    'DAHead': (dict(in_channels=32, in_index=3, pam_channels=4, **HEAD), 'three maps'),
    'EncHead': (
        dict(in_channels=[8, 16, 32], in_index=(1, 2, 3), num_codes=4, loss_decode=LOSS, **HEAD),
        'scene encoding',
    ),
    'DDRHead': (
        dict(in_channels=32, loss_decode=[LOSS, LOSS], **HEAD),
        'two maps',
    ),
    'PIDHead': (dict(in_channels=32, loss_decode=[LOSS] * 4, **HEAD), 'three maps'),
}


@pytest.mark.parametrize('kind', UNFIT)
def test_a_head_of_several_outputs_is_refused_by_name(kind):
    head, reason = UNFIT[kind]
    segmentor = MODELS.build(with_head(type=kind, **copy.deepcopy(head)))
    with pytest.raises(UserError, match=rf'decode head {kind} .*{reason}'):
        require_dense(segmentor)


def test_kernel_updates_are_refused():
    generate = dict(type='FCNHead', in_channels=32, in_index=3, num_convs=1, **HEAD)
    cfg = with_head(
        type='IterativeDecodeHead',
        num_stages=0,
        kernel_update_head=[],
        kernel_generate_head=generate,
    )
    with pytest.raises(UserError, match=r'IterativeDecodeHead .*one map per stage'):
        require_dense(MODELS.build(cfg))


def test_a_subclass_of_an_unfit_head_is_refused():
    from mmseg.models.decode_heads import DDRHead

    class MyHead(DDRHead):
        pass

    segmentor = MODELS.build(toy_pspnet())
    segmentor.decode_head = MyHead(in_channels=32, loss_decode=[LOSS, LOSS], **HEAD)
    with pytest.raises(UserError, match=r'MyHead .*two maps'):
        require_dense(segmentor)


def test_mask_classification_is_refused():
    from mmseg.models.decode_heads import Mask2FormerHead

    segmentor = MODELS.build(toy_pspnet())
    try:
        segmentor.decode_head = Mask2FormerHead(**MASKS)
    except Exception:  # without mmdet it can be named, not built
        segmentor.decode_head = Mask2FormerHead.__new__(Mask2FormerHead)
        torch.nn.Module.__init__(segmentor.decode_head)
    with pytest.raises(UserError, match=r'Mask2FormerHead .*classifies masks'):
        require_dense(segmentor)


def test_a_head_with_a_loss_of_its_own_is_refused():
    from mmseg.models.decode_heads import FCNHead

    class MyHead(FCNHead):
        def loss(self, *args, **kwargs):
            return super().loss(*args, **kwargs)

    segmentor = MODELS.build(toy_pspnet())
    segmentor.auxiliary_head = MyHead(in_channels=32, num_convs=1, **HEAD)
    with pytest.raises(UserError, match=r'aux head MyHead .*more than its logits'):
        require_dense(segmentor)


def cascade(kind: str) -> dict:
    first = dict(type='FCNHead', in_channels=32, in_index=3, num_convs=1, **HEAD)
    second = dict(
        OCRHead=dict(type='OCRHead', in_channels=32, in_index=3, ocr_channels=8, **HEAD),
        PointHead=dict(
            type='PointHead', in_channels=[32], in_index=[3], num_fcs=1, channels=8, num_classes=4
        ),
    )[kind]
    return toy_pspnet() | dict(
        type='CascadeEncoderDecoder', num_stages=2, decode_head=[first, second]
    )


@pytest.mark.parametrize('kind', ['OCRHead', 'PointHead'])
def test_a_cascade_is_refused(kind):
    objectives = dict(seg=dict(type='SourceSupervision'))
    preprocessor = dict(type='DomainPreprocessor')
    # Without compiled ops the onedl packages refuse PointHead themselves, by what it lacks.
    reason = r'CascadeEncoderDecoder .*PointRend, OCR|cannot be built here: .*point_sample'
    with pytest.raises(UserError, match=reason):
        DomainAdaptor(cascade(kind), objectives, data_preprocessor=preprocessor)


def test_what_is_no_segmentor_is_refused():
    with pytest.raises(UserError, match='Conv2d is not an EncoderDecoder'):
        require_dense(torch.nn.Conv2d(1, 1, 1))


def test_a_list_of_auxiliary_heads_is_named_as_mmseg_logs_it():
    aux = dict(num_convs=1, concat_input=False, **HEAD)
    cfg = with_auxiliary(
        dict(type='FCNHead', in_channels=8, in_index=1, **aux),
        dict(type='FCNHead', in_channels=16, in_index=2, **aux),
    )
    segmentor = MODELS.build(cfg)
    require_dense(segmentor)
    assert list(heads_of(segmentor)) == ['decode', 'aux_0', 'aux_1']
    assert heads_of(segmentor)['aux_1'] is segmentor.auxiliary_head[1]


@pytest.mark.parametrize(
    ('make', 'heads', 'scale'), [(toy_pspnet, ['decode', 'aux'], 8), (toy_segformer, ['decode'], 4)]
)
def test_one_pass_gives_what_the_segmentor_gives(make, heads, scale):
    segmentor = MODELS.build(make()).eval()
    require_dense(segmentor)
    images = torch.rand(2, 3, 64, 96)
    dense = dense_forward(segmentor, images)
    assert list(dense.logits) == heads
    assert dense.logits['decode'].shape == (2, 4, 64 // scale, 96 // scale)
    assert torch.equal(dense.logits['decode'], segmentor(images, mode='tensor'))
    feats = segmentor.extract_feat(images)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(dense.feats, feats, strict=True))


def test_detaching_keeps_the_values_and_the_features_only_if_asked():
    dense = dense_forward(MODELS.build(toy_pspnet()), torch.rand(2, 3, 64, 64))
    without, with_feats = dense.detach(False), dense.detach(True)
    assert without.feats == ()
    assert len(with_feats.feats) == 4
    for name, logits in dense.logits.items():
        assert logits.requires_grad
        assert not without.logits[name].requires_grad
        assert torch.equal(without.logits[name], logits)
