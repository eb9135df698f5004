# Masked consistency beside self-training, for small images.
teacher = dict(alpha=0.99)
objectives = dict(
    seg=dict(type='SourceSupervision'),
    mix=dict(type='SelfTraining', threshold=0.9),
    mask=dict(type='MaskedConsistency', ratio=0.7, block=16, threshold=0.9),
)
