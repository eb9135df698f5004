# The released schedule: polynomial decay over 250k iterations, of which 150k are run. `end` is one
# more than the length, because mmengine's PolyLR is one step ahead.
optim_wrapper = dict(
    constructor='PartwiseOptimWrapperConstructor',
    type='OptimWrapper',
    segmentor=dict(
        optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
        paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))),
    ),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=250001, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=150000, val_interval=5000)
auto_scale_lr = dict(enable=False, base_batch_size=1)
