_base_ = [
    '_base_/models/deeplabv2_r101.py',
    '_base_/datasets/gta2cityscapes.py',
    '_base_/methods/cycada_joint.py',
    '_base_/schedules/joint_150k.py',
    '_base_/default_runtime.py',
]

# Crops: whole images leave no room for the generators, whose activations are as large as the image.
source_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(1024, 1024), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(400, 400)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
target_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(1024, 1024), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(400, 400)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    dataset=dict(source=dict(pipeline=source_pipeline), target=dict(pipeline=target_pipeline))
)

model = dict(
    _delete_=True,
    type='JointAdaptor',
    segmentor=_base_.model,
    objectives=_base_.objectives,
    translator=_base_.translator,
    data_preprocessor=dict(
        type='DomainPreprocessor',
        mean=[104.00698793, 116.66876762, 122.67891434],
        std=[1.0, 1.0, 1.0],
        bgr_to_rgb=False,
        pad_val=0,
        seg_pad_val=255,
        size=(400, 400),
    ),
)
