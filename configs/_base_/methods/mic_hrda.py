# Masked consistency beside HRDA's terms; it shares the teacher, its threshold and the margins.
_base_ = './hrda.py'

objectives = dict(
    mask=dict(
        type='MaskedConsistency',
        ratio=0.7,
        block=64,
        threshold=0.968,
        ignore_top=30,
        ignore_bottom=240,
    ),
)
