_base_ = [
    '../_base_/models/small_dinov2.py',
    '../_base_/datasets/toy.py',
    '../_base_/methods/vfm.py',
    '../_base_/schedules/small_source_only.py',
    '../_base_/small_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    teacher=dict(_base_.teacher, alpha=0.99),
    objectives=_base_.objectives,
    data_preprocessor=_base_.data_preprocessor,
)
for name in ('mix', 'mask'):
    model['objectives'][name].update(threshold=0.9)  # which a young network reaches
