# For short trainings on a CPU: a threshold that a young network reaches. `two_scales` makes any
# segmentor one of two scales, with a detail of half the image's sides.
teacher = dict(alpha=0.99)
objectives = dict(
    seg=dict(type='SourceSupervision'),
    mix=dict(type='SelfTraining', threshold=0.9),
)
two_scales = dict(
    type='HRDAEncoderDecoder',
    scale_attention=dict(type='DAFormerHead', dilations=None, channels=32, dropout_ratio=0.1),
    detail_crop=0.5,
    multiple=8,
)
