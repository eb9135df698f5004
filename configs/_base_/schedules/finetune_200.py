# For 20 to 200 labelled images: rates grow from stage to stage, the first is frozen, and the backbone's
# statistics of batch norm do not move.
backbone_policy = dict(frozen_stages=1, norm_eval=True)
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='LayerwiseOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        layerwise=dict(stages=dict(layer2=0.1, layer3=0.25, layer4=0.5), heads=1.0, conv_seg=10.0)
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=300, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=300, end=8001, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=8000, val_interval=1000)
auto_scale_lr = dict(enable=False, base_batch_size=4)
finetune_hooks = []
