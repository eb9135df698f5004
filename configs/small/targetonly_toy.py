# The control of fewlabel_toy.py: the same five labelled target images and nothing else.
_base_ = './source_only_toy.py'

few_target = dict(type='FewImages', dataset=_base_.labelled_target, num=5, seed=0)
train_dataloader = dict(dataset=dict(source=dict(_delete_=True, **few_target)))
