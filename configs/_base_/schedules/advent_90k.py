# The authors' schedule for SYNTHIA: the decay ends where the training does.
_base_ = './adaptsegnet_150k.py'

param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=90001, by_epoch=False)]
train_cfg = dict(max_iters=90000)
