# One level with the least-squares adversarial loss, ten times the weight.
_base_ = './adaptsegnet_gta2cs.py'

model = dict(
    segmentor=dict(auxiliary_head=None),
    objectives=dict(adv_aux=None, adv_decode=dict(kind='lsgan', loss_weight=1e-2)),
)
