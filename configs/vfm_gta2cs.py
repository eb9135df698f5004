_base_ = [
    '_base_/models/vfm_dinov2_l.py',
    '_base_/datasets/gta2cityscapes_vfm.py',
    '_base_/methods/vfm.py',
    '_base_/schedules/vfm_40k.py',
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
train_dataloader = dict(dataset=dict(rare_classes=_base_.rare_classes))
