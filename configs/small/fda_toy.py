_base_ = [
    '../_base_/models/small_resnet.py',
    '../_base_/datasets/toy.py',
    '../_base_/methods/fda_small.py',
    '../_base_/schedules/small_source_only.py',
    '../_base_/small_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    objectives=_base_.objectives,
    translator=_base_.translator,
    data_preprocessor=_base_.data_preprocessor,
)
