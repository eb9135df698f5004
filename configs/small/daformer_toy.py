_base_ = [
    '../_base_/models/small_resnet.py',
    '../_base_/datasets/toy.py',
    '../_base_/methods/daformer_small.py',
    '../_base_/schedules/small_source_only.py',
    '../_base_/small_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    teacher=_base_.teacher,
    objectives=dict(_base_.objectives, fd=None),  # the network starts from scratch
    data_preprocessor=_base_.data_preprocessor,
)
train_dataloader = dict(dataset=dict(rare_classes=_base_.rare_classes))
