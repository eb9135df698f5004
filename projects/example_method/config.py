# The maximum squares loss on the toy domains (`make toy`). A copy elsewhere needs the paths of `_base_`.
_base_ = [
    '../../configs/_base_/models/small_resnet.py',
    '../../configs/_base_/datasets/toy.py',
    '../../configs/_base_/schedules/small_source_only.py',
    '../../configs/_base_/small_runtime.py',
]
custom_imports = dict(imports=['mmseg_da', 'maximum_squares'], allow_failed_imports=False)

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    objectives=dict(
        seg=dict(type='SourceSupervision'),
        squares=dict(type='MaximumSquares', alpha=0.2, loss_weight=0.1),
    ),
    data_preprocessor=_base_.data_preprocessor,
)
