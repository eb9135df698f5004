_base_ = './source_only_150k.py'

train_cfg = dict(max_iters=250000)
auto_scale_lr = dict(base_batch_size=2)
