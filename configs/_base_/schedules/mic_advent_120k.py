# AdvEnt's length, in batches of two.
_base_ = './adaptsegnet_150k.py'

train_cfg = dict(max_iters=120000)
auto_scale_lr = dict(base_batch_size=2)
