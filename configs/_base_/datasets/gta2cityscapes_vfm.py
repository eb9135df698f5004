# VFM-UDA's preparation of GTA5 -> Cityscapes: short sides of 1440 and 1024, times 0.9 to 1.1, crops of
# 1024, smaller images padded with black, margins without weight as shares of the image.
_base_ = './gta2cityscapes.py'

crop_size = (1024, 1024)
pad = dict(type='Pad', size=crop_size, pad_val=dict(img=0, seg=255))
source_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(9999, 1440), ratio_range=(0.9, 1.1), keep_ratio=True),
    pad,
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
target_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='MarkMargins', top=0.03, bottom=0.25, left=0.03, right=0.03),
    dict(type='RandomResize', scale=(9999, 1024), ratio_range=(0.9, 1.1), keep_ratio=True),
    dict(pad, type='PadWithMarks'),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackTargetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(2048, 1024), keep_ratio=True),
    dict(type='LoadAnnotations'),  # after the resize: labels keep their full size
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale=(2048, 1024), keep_ratio=True)],
            [
                dict(type='RandomFlip', prob=0.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
            ],
            [dict(type='LoadAnnotations')],
            [dict(type='PackSegInputs')],
        ],
    ),
]
train_dataloader = dict(
    batch_size=2,
    dataset=dict(source=dict(pipeline=source_pipeline), target=dict(pipeline=target_pipeline)),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
data_preprocessor = dict(
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    source=dict(_delete_=True, size=crop_size),
    target=dict(_delete_=True, size=crop_size),
)
