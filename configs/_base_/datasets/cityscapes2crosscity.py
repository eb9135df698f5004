# Cityscapes to one city of the cross-city set, in the 13 classes that are labelled there. The
# environment variable MMSEG_DA_CITY names the city: Rio, Rome, Taipei or Tokyo.
_base_ = './gta2cityscapes.py'

city = '{{$MMSEG_DA_CITY:Rome}}'
crosscity_root = '{{$MMSEG_DA_DATA:data}}/crosscity'
cityscapes_root = '{{$MMSEG_DA_DATA:data}}/cityscapes'
metainfo = dict(
    classes=(
        'road',
        'sidewalk',
        'building',
        'traffic light',
        'traffic sign',
        'vegetation',
        'sky',
        'person',
        'rider',
        'car',
        'bus',
        'motorcycle',
        'bicycle',
    )
)

source_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(
        type='Resize',
        scale=(1024, 512),
        keep_ratio=False,
        interpolation='bicubic',
        backend='pillow',
    ),
    dict(type='PackSegInputs'),
]
train_source = dict(
    type='CityscapesDataset',
    data_root=cityscapes_root,
    data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
    metainfo=metainfo,
    pipeline=source_pipeline,
)
train_target = dict(
    type='CrossCityDataset',
    data_root=crosscity_root,
    data_prefix=dict(img_path=f'{city}/Images/Train'),
    metainfo=metainfo,
)
val_target = dict(
    type='CrossCityDataset',
    data_root=crosscity_root,
    data_prefix=dict(img_path=f'{city}/Images/Test', seg_map_path=f'{city}/Labels/Test'),
    metainfo=metainfo,
)
train_dataloader = dict(dataset=dict(source=train_source, target=train_target))
val_dataloader = dict(dataset=val_target)
test_dataloader = val_dataloader
data_preprocessor = dict(source=dict(size=(512, 1024)))
val_evaluator = dict(type='ClassIoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
