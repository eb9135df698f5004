# SegFormer-B0 has one head, hence one level; its own optimizer and warm-up.
_base_ = [
    '_base_/models/segformer_mit-b0.py',
    '_base_/datasets/gta2cityscapes_imagenet.py',
    '_base_/methods/advent.py',
    '_base_/schedules/advent_120k.py',
    '_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    objectives=dict(seg=_base_.objectives.seg, adv_decode=_base_.objectives.adv_decode),
    data_preprocessor=_base_.data_preprocessor,
)
optim_wrapper = dict(
    segmentor=dict(
        _delete_=True,
        optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01),
        paramwise_cfg=dict(
            custom_keys=dict(
                head=dict(lr_mult=10.0), pos_block=dict(decay_mult=0.0), norm=dict(decay_mult=0.0)
            )
        ),
    )
)
warm_up = dict(type='LinearLR', start_factor=1e-6, begin=0, end=1501, by_epoch=False)
param_scheduler = [warm_up, *_base_.param_scheduler]
