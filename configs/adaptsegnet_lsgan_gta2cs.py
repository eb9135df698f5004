# One level with the least-squares adversarial loss, ten times the weight.
_base_ = './adaptsegnet_single_gta2cs.py'

model = dict(objectives=dict(adv_decode=dict(kind='lsgan', loss_weight=1e-2)))
