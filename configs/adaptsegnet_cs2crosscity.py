# Real to real: the gap is smaller, and so are the adversarial weights. The city is that of the
# environment variable MMSEG_DA_CITY, by default Rome.
_base_ = [
    '_base_/models/deeplabv2_r101.py',
    '_base_/datasets/cityscapes2crosscity.py',
    '_base_/methods/adaptsegnet.py',
    '_base_/schedules/adaptsegnet_150k.py',
    '_base_/default_runtime.py',
]

work_dir = f'work_dirs/adaptsegnet_cs2crosscity/{_base_.city}'
model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=dict(
        _base_.model,
        decode_head=dict(_base_.model.decode_head, num_classes=13),
        auxiliary_head=dict(_base_.model.auxiliary_head, num_classes=13),
    ),
    objectives=dict(
        _base_.objectives,
        adv_aux=dict(_base_.objectives.adv_aux, loss_weight=5e-4),
        adv_decode=dict(_base_.objectives.adv_decode, loss_weight=5e-4),
    ),
    data_preprocessor=_base_.data_preprocessor,
)
