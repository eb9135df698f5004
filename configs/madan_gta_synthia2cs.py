# In the manner of MADAN, two sources in one command:
# source -> translate_gta -> translate_synthia -> segment -> align.
#
# The paper's or its code's: FCN8s, a CycleGAN for each source with semantic consistency, the weights and
# sizes of translation, Adam and batches of 8 for segmentation, ADDA with SGD.
# Ours: crops of 400 for all stages (the code aligns images 300 high), the aggregation of the sources, which
# compares what the segmentor says, not the translated images. It scores mIoU16, as the paper does.
_base_ = [
    '_base_/models/fcn8s.py',
    '_base_/datasets/gta_synthia2cityscapes.py',
    '_base_/methods/madan.py',
    '_base_/schedules/madan_30k.py',
    '_base_/default_runtime.py',
]

crop_size = (400, 400)
view = [
    dict(type='Resize', scale=(2000, 500), keep_ratio=True),  # the shorter side becomes 500
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
labelled_view = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), *view]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(2000, 500), keep_ratio=True),
    dict(type='LoadAnnotations'),  # after the resize: labels keep their full size
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='Resize', scale=(2000, 500), keep_ratio=True),
                dict(type='Resize', scale=(2500, 625), keep_ratio=True),
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
gta = dict(_base_.train_gta, pipeline=labelled_view)
synthia = dict(_base_.train_synthia, pipeline=labelled_view)
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        source=[gta, synthia],
        target=dict(pipeline=[dict(type='LoadImageFromFile'), *view]),
    ),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
look = dict(
    type='DomainPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size=crop_size,
)
data_preprocessor = dict(_delete_=True, **look)

runner_type = 'StagedRunner'
model = dict(
    _delete_=True,
    type='AlternatingAdaptor',
    segmentor=_base_.model,
    objectives=_base_.objectives,
    translator=_base_.translator,
    data_preprocessor=look,
)
semantics = dict(
    segmentor=_base_.model,
    data_preprocessor=look,
    checkpoint='stage:source',
    target='kl',
    weight=2.0,  # the code's default: 10 for this term times 0.2 for all semantic terms
)
stages = dict(
    translate_gta=dict(
        model=dict(semantics=semantics),
        train_dataloader=dict(
            batch_size=4, dataset=dict(source=dict(_delete_=True, **gta), source_weights=None)
        ),
    ),
    translate_synthia=dict(
        model=dict(semantics=semantics),
        train_dataloader=dict(
            batch_size=4, dataset=dict(source=dict(_delete_=True, **synthia), source_weights=None)
        ),
    ),
)
