"""Toy segmentors of two scales."""

from taught_builders import build

from mmseg_da.testing import toy_batch, toy_preprocessor, toy_segformer

SIZE = (64, 128)
HEAD = dict(
    type='DAFormerHead',
    in_channels=[8, 8, 8, 8],
    in_index=[0, 1, 2, 3],
    channels=8,
    norm_cfg=dict(type='BN'),
    num_classes=4,
    dropout_ratio=0.0,
    align_corners=False,
    loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1.0),
)


def toy_hrda(norm: str = 'BN', **settings) -> dict:
    """Config of a small HRDA: 4 pixels a score, a detail of half the sides."""
    norm_cfg = dict(type='BN') if norm == 'BN' else dict(type=norm, num_groups=2)
    head = HEAD | dict(norm_cfg=norm_cfg)
    plain = toy_segformer()
    plain['backbone']['sr_ratios'] = [2, 1, 1, 1]  # the context is small
    own = plain | dict(
        type='HRDAEncoderDecoder',
        decode_head=head | dict(dilations=(1, 6)),
        scale_attention=dict(type='DAFormerHead', dilations=None, channels=8, dropout_ratio=0.0),
        detail_crop=0.5,
    )
    return own | settings


def two_scales(objectives: dict, norm: str = 'BN', settings: dict | None = None, **others):
    """An adaptor of a small HRDA for batches of :func:`wide`."""
    prepared = toy_preprocessor() | dict(source=dict(size=SIZE), target=dict(size=SIZE))
    network = toy_hrda(norm, **settings or {})
    adaptor = build(objectives, network, data_preprocessor=prepared, **others)
    adaptor.segmentor.scale_attention.conv_seg.weight.data *= 30  # so that it varies
    return adaptor


def wide(seed: int = 0, num: int = 2) -> dict:
    """Two domains of one size; things cover a cell of the features in every other batch."""
    batch = toy_batch(num, SIZE, SIZE, seed=seed)
    for sample in batch['source']['data_samples']:
        labels = sample.gt_sem_seg.data
        labels[labels == 3] = 0
        if seed % 2:
            labels[:, 4:62, 2:63] = 1
    return batch


def weights_of(segmentor) -> dict:
    """Parameters and statistics, without the count of draws."""
    state = segmentor.state_dict()
    return {key: value for key, value in state.items() if not key.startswith('draws.')}
