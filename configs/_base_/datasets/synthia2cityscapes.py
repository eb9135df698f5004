# AdaptSegNet's preparation, with SYNTHIA as the source: whole images, no augmentation. 19 classes,
# of which SYNTHIA has 16. docs/data.md says how to train in 16 or 13.
_base_ = './gta2cityscapes.py'

synthia_root = '{{$MMSEG_DA_DATA:data}}/synthia'

source_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(
        type='Resize',
        scale=(1280, 760),
        keep_ratio=False,
        interpolation='bicubic',
        backend='pillow',
    ),
    dict(type='PackSegInputs'),
]
train_source = dict(
    type='SynthiaDataset',
    data_root=synthia_root,
    data_prefix=dict(img_path='RGB', seg_map_path='GT/LABELS'),
    pipeline=source_pipeline,
)
train_dataloader = dict(dataset=dict(source=train_source))
data_preprocessor = dict(source=dict(size=(760, 1280)))

classes_16 = [
    'road',
    'sidewalk',
    'building',
    'wall',
    'fence',
    'pole',
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
]
classes_13 = [
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
]
val_evaluator = dict(
    type='ClassIoUMetric',
    iou_metrics=['mIoU'],
    subsets=dict(mIoU16=classes_16, mIoU13=classes_13),
)
test_evaluator = val_evaluator
