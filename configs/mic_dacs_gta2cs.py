_base_ = [
    '_base_/models/deeplabv2_r101_aspp4.py',
    '_base_/datasets/gta2cityscapes_crops512.py',
    '_base_/methods/mic_dacs.py',
    '_base_/schedules/dacs_250k.py',
    '_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    teacher=_base_.teacher,
    objectives=_base_.objectives,
    data_preprocessor=_base_.data_preprocessor,
)
model['segmentor']['auxiliary_head'] = None
