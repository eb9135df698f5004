# Two sources, drawn equally often: whole images of GTA5, and of SYNTHIA a part of the same size at the
# same scale. 19 classes, of which SYNTHIA has 16. SYNTHIA's base brings the class lists.
_base_ = './synthia2cityscapes.py'

gta_root = '{{$MMSEG_DA_DATA:data}}/gta'
synthia_root = '{{$MMSEG_DA_DATA:data}}/synthia'

gta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(
        type='Resize',
        scale=(1280, 720),
        keep_ratio=False,
        interpolation='bicubic',
        backend='pillow',
    ),
    dict(type='PackSegInputs'),
]
synthia_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(
        type='Resize',
        scale=(1280, 760),
        keep_ratio=False,
        interpolation='bicubic',
        backend='pillow',
    ),
    dict(type='RandomCrop', crop_size=(720, 1280)),
    dict(type='PackSegInputs'),
]
train_gta = dict(
    type='GTADataset',
    data_root=gta_root,
    data_prefix=dict(img_path='images', seg_map_path='labels'),
    pipeline=gta_pipeline,
)
train_synthia = dict(
    type='SynthiaDataset',
    data_root=synthia_root,
    data_prefix=dict(img_path='RGB', seg_map_path='GT/LABELS'),
    pipeline=synthia_pipeline,
)
train_dataloader = dict(
    dataset=dict(source=[train_gta, train_synthia], source_weights=[1, 1]),
)
data_preprocessor = dict(source=dict(size=(720, 1280)))
