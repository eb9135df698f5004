# PSPNet as mmseg trains it, but for the lowest rate, 0 instead of 1e-4. `end` is one more than the
# length: mmengine's PolyLR is one step ahead.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=80001, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=80000, val_interval=4000)
auto_scale_lr = dict(enable=False, base_batch_size=8)
