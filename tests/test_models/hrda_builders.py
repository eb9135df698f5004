"""Toy segmentors of two scales."""

from mmseg_da.testing import toy_segformer

HEAD = dict(
    type='DAFormerHead',
    in_channels=[8, 8, 8, 8],
    in_index=[0, 1, 2, 3],
    channels=8,
    norm_cfg=dict(type='BN'),
    num_classes=4,
    dropout_ratio=0.0,
    align_corners=False,
    loss_decode=dict(type='CrossEntropyLoss', loss_weight=1.0),
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
        scale_attention=head | dict(dilations=None),
        detail_crop=0.5,
    )
    return own | settings
