# Pascal VOC 2012 with the labels of its own lists `train` and `val`, prepared as mmseg does.
_base_ = './labelled_cityscapes.py'

voc_root = '{{$MMSEG_DA_DATA:data}}/VOCdevkit/VOC2012'
crop_size = (512, 512)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(2048, 512), keep_ratio=True),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
folders = dict(img_path='JPEGImages', seg_map_path='SegmentationClass')
labelled = dict(
    _delete_=True,
    type='PascalVOCDataset',
    data_root=voc_root,
    data_prefix=folders,
    ann_file='ImageSets/Segmentation/train.txt',
    pipeline=train_pipeline,
)
train_dataloader = dict(dataset=dict(dataset=labelled))
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='PascalVOCDataset',
        data_root=voc_root,
        data_prefix=folders,
        ann_file='ImageSets/Segmentation/val.txt',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
data_preprocessor = dict(size=crop_size)
