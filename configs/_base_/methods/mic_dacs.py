# MIC beside DACS: one teacher for both, so threshold and jitter are the mixture's.
_base_ = './dacs.py'

objectives = dict(
    mask=dict(type='MaskedConsistency', ratio=0.7, block=32, threshold=0.968, jitter=0.25)
)
