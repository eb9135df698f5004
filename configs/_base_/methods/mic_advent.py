# MIC beside AdvEnt's terms.
_base_ = './advent.py'

teacher = dict(alpha=0.999)
objectives = dict(mask=dict(type='MaskedConsistency', ratio=0.7, block=32, threshold=0.968))
