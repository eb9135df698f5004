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
# Half of each image is enough to learn the look of, in half the time.
translate_crop = (96, 96)
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
            dataset=dict(
                source=dict(pipeline=translate_source_pipeline),
                target=dict(pipeline=translate_target_pipeline),
            )
        ),
    ),
)
