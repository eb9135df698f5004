# Generators and segmentor are one part, so one Adam trains both; the segmentor at an eighth of its rate.
optim_wrapper = dict(
    constructor='PartwiseOptimWrapperConstructor',
    type='OptimWrapper',
    networks=dict(
        optimizer=dict(type='Adam', lr=2e-4, betas=(0.5, 0.999)),
        paramwise_cfg=dict(custom_keys=dict(segmentor=dict(lr_mult=0.125))),
    ),
    discriminators=dict(optimizer=dict(type='Adam', lr=2e-4, betas=(0.5, 0.999))),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=150001, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=150000, val_interval=5000)
auto_scale_lr = dict(enable=False, base_batch_size=1)
