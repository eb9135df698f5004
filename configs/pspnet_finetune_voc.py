# PSPNet that has learnt GTA5 (pspnet_source_gta.py), on Pascal VOC 2012, whose classes are others: what it
# knows of bus, car, train, person, bicycle and motorcycle is copied by name, the rest starts anew.
_base_ = [
    '_base_/models/pspnet_r50-d8.py',
    '_base_/datasets/labelled_voc.py',
    '_base_/schedules/finetune_full.py',
    '_base_/plain_runtime.py',
]

load_from = 'work_dirs/pspnet_source_gta/iter_80000.pth'
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    backbone=dict(init_cfg=None, **_base_.backbone_policy),  # `load_from` has these weights
    decode_head=dict(num_classes=21),
    auxiliary_head=dict(num_classes=21),
)
train_dataloader = dict(batch_size=_base_.auto_scale_lr.base_batch_size)
custom_hooks = [
    *_base_.finetune_hooks,
    dict(type='ClassSurgeryHook', mode='remap', names=dict(motorbike='motorcycle')),
]
