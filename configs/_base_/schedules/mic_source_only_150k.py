_base_ = './source_only_150k.py'

auto_scale_lr = dict(base_batch_size=2)
