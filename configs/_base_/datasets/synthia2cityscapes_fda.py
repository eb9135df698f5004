# FDA's preparation, with SYNTHIA as the source: see gta2cityscapes_fda.py. 19 classes, of which SYNTHIA
# has 16, as in the released code.
_base_ = './synthia2cityscapes.py'

fda_size = (512, 1024)
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
    dict(type='RandomCrop', crop_size=fda_size),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='Resize',
        scale=(1344, 576),
        keep_ratio=False,
        interpolation='bicubic',
        backend='pillow',
    ),
    dict(type='LoadAnnotations'),  # after the resize: labels keep their full size
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='Resize', scale=(1344, 576), keep_ratio=False),
                dict(type='Resize', scale=(1680, 720), keep_ratio=False),
            ],
            [
                dict(type='RandomFlip', prob=0.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
            ],
            [dict(type='LoadAnnotations')],
            [dict(type='PackSegInputs')],
        ],
    ),
]
train_dataloader = dict(dataset=dict(source=dict(pipeline=source_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
data_preprocessor = dict(source=dict(size=fda_size))
