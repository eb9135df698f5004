_base_ = [
    '../_base_/models/small_mobilenetv2.py',
    '../_base_/datasets/dubai2czech.py',
    '../_base_/methods/daformer_small.py',
    '../_base_/schedules/small_source_only.py',
    '../_base_/small_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    teacher=_base_.teacher,
    objectives=_base_.objectives,
    data_preprocessor=_base_.data_preprocessor,
)
model['segmentor']['decode_head']['num_classes'] = len(_base_.metainfo.classes)
model['objectives']['fd']['things'] = ['building']
optim_wrapper = dict(
    segmentor=dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1)))),
)
train_dataloader = dict(dataset=dict(rare_classes=dict(temperature=0.1, min_pixels=300)))
