# Segmentation as MADAN's released code trains it.
optim_wrapper = dict(
    constructor='PartwiseOptimWrapperConstructor',
    type='OptimWrapper',
    segmentor=dict(optimizer=dict(type='Adam', lr=1e-4)),
)
param_scheduler = None
train_cfg = dict(type='IterBasedTrainLoop', max_iters=30000, val_interval=5000)
auto_scale_lr = dict(enable=False, base_batch_size=8)
