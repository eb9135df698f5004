# Cityscapes to fog, night, rain and snow (ACDC), as DAFormer prepares it: resized in proportion, crops of
# 512, flips. Scores are over all images, and of each condition.
_base_ = './gta2cityscapes.py'

acdc_root = '{{$MMSEG_DA_DATA:data}}/acdc'
cityscapes_root = '{{$MMSEG_DA_DATA:data}}/cityscapes'
crop_size = (512, 512)

source_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(1024, 512), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
target_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(960, 540), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(960, 540), keep_ratio=True),
    dict(type='LoadAnnotations'),  # after the resize: labels keep their full size
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale=(960, 540), keep_ratio=True)],
            [
                dict(type='RandomFlip', prob=0.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
            ],
            [dict(type='LoadAnnotations')],
            [dict(type='PackSegInputs')],
        ],
    ),
]
train_source = dict(
    type='CityscapesDataset',
    data_root=cityscapes_root,
    data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
    pipeline=source_pipeline,
)
train_target = dict(
    _delete_=True,
    type='ACDCDataset',
    data_root=acdc_root,
    data_prefix=dict(img_path='rgb_anon'),
    split='train',
    pipeline=target_pipeline,
)
val_target = dict(
    _delete_=True,
    type='ACDCDataset',
    data_root=acdc_root,
    data_prefix=dict(img_path='rgb_anon', seg_map_path='gt'),
    split='val',
    pipeline=test_pipeline,
)
train_dataloader = dict(
    batch_size=2,
    dataset=dict(source=train_source, target=train_target),
)
val_dataloader = dict(dataset=val_target)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='ClassIoUMetric',
    iou_metrics=['mIoU'],
    domains=dict(fog='fog', night='night', rain='rain', snow='snow'),
)
test_evaluator = val_evaluator
data_preprocessor = dict(
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    source=dict(_delete_=True, size=crop_size),
    target=dict(_delete_=True, size=crop_size),
)
