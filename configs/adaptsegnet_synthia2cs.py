# The paper's setting but for the data. It scores mIoU13, "mIoU*".
_base_ = [
    '_base_/models/deeplabv2_r101.py',
    '_base_/datasets/synthia2cityscapes.py',
    '_base_/methods/adaptsegnet.py',
    '_base_/schedules/adaptsegnet_150k.py',
    '_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    objectives=_base_.objectives,
    data_preprocessor=_base_.data_preprocessor,
)
