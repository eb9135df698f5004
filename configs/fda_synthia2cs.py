# FDA's setting but for the data. It scores mIoU13, "mIoU*", as adaptsegnet_synthia2cs.py does.
_base_ = [
    '_base_/models/deeplabv2_r101_aspp4.py',
    '_base_/datasets/synthia2cityscapes_fda.py',
    '_base_/methods/fda.py',
    '_base_/schedules/fda_100k.py',
    '_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=dict(_base_.model, auxiliary_head=None),
    objectives=_base_.objectives,
    translator=_base_.translator,
    data_preprocessor=_base_.data_preprocessor,
)
