# Minutes on two CPU cores. `end` is one more than the length: mmengine's PolyLR is one step ahead.
optim_wrapper = dict(
    constructor='PartwiseOptimWrapperConstructor',
    type='OptimWrapper',
    segmentor=dict(optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01)),
    discriminators=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=501, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=500, val_interval=500)
auto_scale_lr = dict(enable=False, base_batch_size=4)
