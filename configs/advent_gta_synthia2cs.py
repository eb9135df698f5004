# AdvEnt from two sources at once: both are the source to its rivals. The paper has one. It scores mIoU16,
# the mean over the classes that both sources have.
_base_ = [
    '_base_/models/deeplabv2_r101_aspp4.py',
    '_base_/datasets/gta_synthia2cityscapes.py',
    '_base_/methods/advent.py',
    '_base_/schedules/advent_120k.py',
    '_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    objectives=_base_.objectives,
    data_preprocessor=_base_.data_preprocessor,
)
