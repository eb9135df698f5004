# Masked consistency beside DAFormer's terms; it shares the teacher, its threshold and the margins.
_base_ = './daformer.py'

objectives = dict(
    mask=dict(
        type='MaskedConsistency',
        ratio=0.7,
        block=32,
        threshold=0.968,
        ignore_top=15,
        ignore_bottom=120,
    ),
)
