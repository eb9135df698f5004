# The released schedule: polynomial decay over 250k iterations, of which 120k are run.
_base_ = './adaptsegnet_150k.py'

train_cfg = dict(max_iters=120000)
