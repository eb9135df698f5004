# Masked consistency beside the terms of dacs_small.py, in blocks for small images.
_base_ = './dacs_small.py'

objectives = dict(
    mask=dict(
        type='MaskedConsistency',
        ratio=0.7,
        block=16,
        threshold=0.9,
        jitter=[0.5, 0.5, 1.0, 0.1],
        jitter_prob=1.0,
    ),
)
