_base_ = [
    '../_base_/models/small_mobilenetv2.py',
    '../_base_/datasets/fluo2histo.py',
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
model['segmentor']['decode_head']['num_classes'] = len(_base_.metainfo.classes)
optim_wrapper = dict(
    segmentor=dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1)))),
)
# Translation learns the colours of a domain, so they are not distorted there.
translate_crop = (128, 128)
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
            semantics=dict(
                segmentor=model['segmentor'], data_preprocessor=_base_.data_preprocessor
            ),
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
