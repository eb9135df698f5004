# For at most 20 labelled images: only the last stage of the backbone and the heads train, slowly, and
# no statistics of batch norm move. eta_min has to be 0, as it would hold for every rate, the lowest, too.
backbone_policy = dict(frozen_stages=3, norm_eval=True)
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='LayerwiseOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(layerwise=dict(stages=dict(layer4=0.1), heads=1.0, conv_seg=10.0)),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=100, end=2001, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=2000, val_interval=500)
auto_scale_lr = dict(enable=False, base_batch_size=4)
finetune_hooks = [dict(type='NormEvalHook')]
