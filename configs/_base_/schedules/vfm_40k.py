# AdamW; a warm-up of 1,500 iterations from a thousandth, then what is left of a linear decay over
# 40,000. The rate is 5e-5 times the root of the number of images of all GPUs: here 2; the paper has 8.
optim_wrapper = dict(
    constructor='PartwiseOptimWrapperConstructor',
    type='OptimWrapper',
    segmentor=dict(
        optimizer=dict(type='AdamW', lr=5e-5 * 2**0.5, betas=(0.9, 0.999), weight_decay=0.01),
        paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, begin=0, end=1500, by_epoch=False),
    dict(
        type='LinearLR',
        start_factor=1 - 1500 / 40000,
        end_factor=0.0,
        begin=1500,
        end=40001,
        by_epoch=False,
    ),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=40000, val_interval=4000)
auto_scale_lr = dict(enable=False, base_batch_size=2, rule='root')
