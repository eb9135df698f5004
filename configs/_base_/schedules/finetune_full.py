# For more than 200 labelled images: everything trains, the backbone at a tenth of the rate. Batch norm
# trains, too, which takes 8 images at a time.
backbone_policy = dict(frozen_stages=-1, norm_eval=False)
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='LayerwiseOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=1e-2, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(layerwise=dict(backbone=0.1, heads=1.0)),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=500, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=500, end=40001, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=40000, val_interval=4000)
auto_scale_lr = dict(enable=False, base_batch_size=8)
finetune_hooks = []
