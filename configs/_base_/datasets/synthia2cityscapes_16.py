# The same in the 16 classes that SYNTHIA has; pixels of the others are ignored.
_base_ = './synthia2cityscapes.py'

metainfo = dict(
    classes=(
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
    )
)
train_dataloader = dict(
    dataset=dict(source=dict(metainfo=metainfo), target=dict(metainfo=metainfo))
)
val_dataloader = dict(dataset=dict(metainfo=metainfo))
test_dataloader = dict(dataset=dict(metainfo=metainfo))
