# One level: the discriminator sees the main head, and there is no auxiliary head.
_base_ = [
    '_base_/models/deeplabv2_r101_aspp4.py',
    '_base_/datasets/gta2cityscapes.py',
    '_base_/methods/advent.py',
    '_base_/schedules/advent_120k.py',
    '_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=dict(_base_.model, auxiliary_head=None),
    objectives=dict(seg=_base_.objectives.seg, adv_decode=_base_.objectives.adv_decode),
    data_preprocessor=_base_.data_preprocessor,
)
