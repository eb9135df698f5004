# As fewlabel5_gta2cs.py, with 50 images, those five among them.
_base_ = './fewlabel5_gta2cs.py'

train_dataloader = dict(dataset=dict(labelled=dict(num=50)))
