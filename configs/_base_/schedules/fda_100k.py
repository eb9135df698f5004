# The released schedule: polynomial decay over 150k iterations, of which 100k are run. `end` is one
# more than the length, because mmengine's PolyLR is one step ahead.
_base_ = './source_only_150k.py'

param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=150001, by_epoch=False)]
train_cfg = dict(max_iters=100000)
