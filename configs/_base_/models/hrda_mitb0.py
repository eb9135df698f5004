# The size of SegFormer-B0 at two scales.
_base_ = './daformer_mitb0.py'

model = dict(
    type='HRDAEncoderDecoder',
    scale_attention=dict(type='DAFormerHead', dilations=None, channels=128, dropout_ratio=0.1),
    detail_crop=(512, 512),
    context_scale=0.5,
    multiple=8,
    detail_weight=0.1,
    test_cfg=dict(mode='slide', crop_size=(1024, 1024), stride=(512, 512), batch=None),
)
