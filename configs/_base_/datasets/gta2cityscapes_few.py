# A few labelled images of the target beside the unlabelled ones. The choice depends on the names of the
# images and the seed alone, and 5 are among 50; to choose by hand, drop FewImages and give the dataset an
# ann_file.
_base_ = './gta2cityscapes.py'

cityscapes_root = '{{$MMSEG_DA_DATA:data}}/cityscapes'
labelled_pipeline = [
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
labelled_target = dict(
    type='CityscapesDataset',
    data_root=cityscapes_root,
    data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
    pipeline=labelled_pipeline,
)
train_dataloader = dict(
    dataset=dict(labelled=dict(type='FewImages', dataset=labelled_target, num=5, seed=0))
)
