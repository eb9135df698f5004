# The control of fewlabel*_gta2cs.py: their segmentor and schedule, on the source alone.
_base_ = [
    '_base_/models/deeplabv2_r101_aspp4.py',
    '_base_/datasets/gta2cityscapes.py',
    '_base_/methods/source_only.py',
    '_base_/schedules/minent_120k.py',
    '_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    objectives=_base_.objectives,
    data_preprocessor=_base_.data_preprocessor,
)
