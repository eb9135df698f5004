# The control of pspnet_finetune_gta2cs.py: the same 100 labelled images in the same schedule, from ImageNet
# instead of the source's network, so with a classifier that starts anew and learns at the schedule's rate.
_base_ = [
    '_base_/models/pspnet_r50-d8.py',
    '_base_/datasets/labelled_cityscapes.py',
    '_base_/schedules/finetune_200.py',
    '_base_/plain_runtime.py',
]

model = dict(data_preprocessor=_base_.data_preprocessor, backbone=dict(**_base_.backbone_policy))
train_dataloader = dict(
    batch_size=_base_.auto_scale_lr.base_batch_size, dataset=dict(num=100, seed=0)
)
