# Five labelled target images of 200. Compare with source_only_toy.py and targetonly_toy.py.
_base_ = [
    '../_base_/models/small_resnet.py',
    '../_base_/datasets/toy.py',
    '../_base_/methods/fewlabel_small.py',
    '../_base_/schedules/small_adaptsegnet.py',
    '../_base_/small_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    objectives=_base_.objectives,
    data_preprocessor=_base_.data_preprocessor,
)
few_target = dict(type='FewImages', dataset=_base_.labelled_target, num=5, seed=0)
train_dataloader = dict(dataset=dict(labelled=few_target))
