# As the authors train on SYNTHIA: one level, the 16 classes that it has, and a decay that ends with the
# training. It scores mIoU13, "mIoU*", too.
_base_ = [
    '_base_/models/deeplabv2_r101_aspp4.py',
    '_base_/datasets/synthia2cityscapes_16.py',
    '_base_/methods/advent.py',
    '_base_/schedules/advent_90k.py',
    '_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=dict(
        _base_.model,
        decode_head=dict(_base_.model.decode_head, num_classes=16),
        auxiliary_head=None,
    ),
    objectives=dict(seg=_base_.objectives.seg, adv_decode=_base_.objectives.adv_decode),
    data_preprocessor=_base_.data_preprocessor,
)
