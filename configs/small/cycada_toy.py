_base_ = [
    '../_base_/models/small_resnet.py',
    '../_base_/datasets/toy.py',
    '../_base_/methods/cycada_small.py',
    '../_base_/schedules/small_adaptsegnet.py',
    '../_base_/small_runtime.py',
]

runner_type = 'StagedRunner'
model = dict(
    _delete_=True,
    type='AlternatingAdaptor',
    segmentor=_base_.model,
    objectives=_base_.objectives,
    translator=_base_.translator,
    data_preprocessor=_base_.data_preprocessor,
)
# A part of each image is enough to learn the look of, and more images show more of it.
translate_crop = (64, 64)
translate_source_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=translate_crop),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
translate_target_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomCrop', crop_size=translate_crop),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
stages = dict(
    translate=dict(
        model=dict(
            semantics=dict(segmentor=_base_.model, data_preprocessor=_base_.data_preprocessor),
            data_preprocessor=dict(size=translate_crop),
        ),
        train_dataloader=dict(
            batch_size=4,
            dataset=dict(
                source=dict(pipeline=translate_source_pipeline),
                target=dict(pipeline=translate_target_pipeline),
            ),
        ),
        auto_scale_lr=dict(base_batch_size=4),
    ),
)
