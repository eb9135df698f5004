_base_ = [
    '_base_/models/deeplabv2_r101_aspp4.py',
    '_base_/datasets/synthia2cityscapes_16.py',
    '_base_/methods/dacs.py',
    '_base_/schedules/dacs_250k.py',
    '_base_/default_runtime.py',
]

crop_size = (512, 512)
source_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(1280, 760), keep_ratio=False),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='PackSegInputs'),
]
target_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(1024, 512), keep_ratio=False),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=2,
    dataset=dict(source=dict(pipeline=source_pipeline), target=dict(pipeline=target_pipeline)),
)
model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    teacher=_base_.teacher,
    objectives=_base_.objectives,
    data_preprocessor=dict(
        _base_.data_preprocessor, source=dict(size=crop_size), target=dict(size=crop_size)
    ),
)
model['segmentor']['auxiliary_head'] = None
model['segmentor']['decode_head']['num_classes'] = 16
