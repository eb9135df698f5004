_base_ = './default_runtime.py'

env_cfg = dict(cudnn_benchmark=False)
default_hooks = dict(
    logger=dict(interval=25),
    checkpoint=dict(interval=250, max_keep_ckpts=2, save_best=None),
    adaptation_view=dict(interval=250),
)
