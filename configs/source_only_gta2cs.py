_base_ = [
    '_base_/models/deeplabv2_r101.py',
    '_base_/datasets/gta2cityscapes.py',
    '_base_/methods/source_only.py',
    '_base_/schedules/source_only_150k.py',
    '_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    objectives=_base_.objectives,
    data_preprocessor=_base_.data_preprocessor,
)
