# Masked consistency beside HRDA's terms; it shares the teacher and its threshold.
_base_ = './hrda.py'

objectives = dict(
    mask=dict(type='MaskedConsistency', ratio=0.7, block=64, threshold=0.968),
)
