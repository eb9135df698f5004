# The control of fewlabel50_gta2cs.py: the same 50 labelled target images and nothing else.
_base_ = './targetonly5_gta2cs.py'

train_dataloader = dict(dataset=dict(source=dict(num=50)))
