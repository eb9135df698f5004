# Segmentation as CyCADA's script trains it: SGD at a constant rate. Its code's own default of the
# momentum is 0.9, with one image a batch instead of two.
optim_wrapper = dict(
    constructor='PartwiseOptimWrapperConstructor',
    type='OptimWrapper',
    segmentor=dict(optimizer=dict(type='SGD', lr=1e-3, momentum=0.99, weight_decay=5e-4)),
)
param_scheduler = None
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100000, val_interval=5000)
auto_scale_lr = dict(enable=False, base_batch_size=2)
