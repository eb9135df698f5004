_base_ = [
    '_base_/models/pspnet_r50-d8.py',
    '_base_/datasets/gta2cityscapes.py',
    '_base_/methods/adaptsegnet.py',
    '_base_/schedules/adaptsegnet_150k.py',
    '_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    objectives=_base_.objectives,
    data_preprocessor=dict(
        type='DomainPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        source=dict(size=(720, 1280)),
        target=dict(size=(512, 1024)),
    ),
)
