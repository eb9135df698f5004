_base_ = './source_only_150k.py'

param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=90001, by_epoch=False)]
train_cfg = dict(max_iters=90000)
