_base_ = './source_only_150k.py'

train_cfg = dict(max_iters=120000)
