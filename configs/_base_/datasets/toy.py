# Two small street-scene domains; `make toy` writes them.
toy_root = '{{$MMSEG_DA_DATA:data}}/toy'
metainfo = dict(
    classes=(
        'road', 'sidewalk', 'building', 'pole', 'traffic sign',
        'vegetation', 'terrain', 'sky', 'person', 'car',
    )
)  # fmt: skip

source_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
target_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(
        type='TestTimeAug',
        transforms=[
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
    type='GTADataset',
    data_root=f'{toy_root}/gta',
    data_prefix=dict(img_path='images', seg_map_path='labels'),
    ann_file='train.txt',
    metainfo=metainfo,
    pipeline=source_pipeline,
)
train_target = dict(
    type='CityscapesDataset',
    data_root=f'{toy_root}/cityscapes',
    data_prefix=dict(img_path='leftImg8bit/train'),
    metainfo=metainfo,
    pipeline=target_pipeline,
)
# The upper bound alone reads these labels: see benchmarks/adaptation.py.
labelled_target = dict(
    type='CityscapesDataset',
    data_root=f'{toy_root}/cityscapes',
    data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
    metainfo=metainfo,
    pipeline=source_pipeline,
)
val_target = dict(
    type='CityscapesDataset',
    data_root=f'{toy_root}/cityscapes',
    data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
    metainfo=metainfo,
    pipeline=test_pipeline,
)
data_preprocessor = dict(
    type='DomainPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size=(96, 192),
)

train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='SourceTargetSampler'),
    dataset=dict(type='SourceTargetDataset', source=train_source, target=train_target),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=val_target,
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ClassIoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
