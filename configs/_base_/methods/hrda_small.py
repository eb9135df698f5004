# The terms of dacs_small.py. `two_scales` makes any segmentor one of two scales, with a detail of half the
# image's sides.
_base_ = './dacs_small.py'

two_scales = dict(
    type='HRDAEncoderDecoder',
    scale_attention=dict(type='DAFormerHead', dilations=None, channels=32, dropout_ratio=0.1),
    detail_crop=0.5,
    multiple=8,
)
