# Minutes on two CPU cores: a training on the source, then a shorter one on a few labelled images.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='LayerwiseOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01),
    paramwise_cfg=dict(layerwise=dict(backbone=0.1, heads=1.0)),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=25, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=25, end=251, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=250, val_interval=250)
auto_scale_lr = dict(enable=False, base_batch_size=4)
source_schedule = dict(
    param_scheduler=[dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=501, by_epoch=False)],
    train_cfg=dict(max_iters=500, val_interval=500),
)
