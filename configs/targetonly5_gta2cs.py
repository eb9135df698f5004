# The control of fewlabel5_gta2cs.py: the same five labelled target images and nothing else.
_base_ = [
    '_base_/models/deeplabv2_r101_aspp4.py',
    '_base_/datasets/gta2cityscapes_few.py',
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
model['data_preprocessor']['source'] = dict(size=(512, 1024))
few_target = dict(type='FewImages', dataset=_base_.labelled_target, num=5, seed=0)
train_dataloader = dict(dataset=dict(source=dict(_delete_=True, **few_target), labelled=None))
