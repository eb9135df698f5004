# PSPNet that has learnt GTA5 (pspnet_source_gta.py), on 100 labelled images of Cityscapes. Another number:
#     --cfg-options train_dataloader.dataset.num=50
# and beyond 20 to 200 images another schedule, finetune_20.py or finetune_full.py.
_base_ = [
    '_base_/models/pspnet_r50-d8.py',
    '_base_/datasets/labelled_cityscapes.py',
    '_base_/schedules/finetune_200.py',
    '_base_/plain_runtime.py',
]

load_from = 'work_dirs/pspnet_source_gta/iter_80000.pth'
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    backbone=dict(init_cfg=None, **_base_.backbone_policy),  # `load_from` has these weights
)
train_dataloader = dict(
    batch_size=_base_.auto_scale_lr.base_batch_size, dataset=dict(num=100, seed=0)
)
# The classes are the source's, so the classifier is kept, and learns no faster than its head. One that
# starts anew, with mode='drop', takes the schedule's conv_seg=10.0.
custom_hooks = [*_base_.finetune_hooks, dict(type='ClassSurgeryHook', mode='keep')]
optim_wrapper = dict(paramwise_cfg=dict(layerwise=dict(conv_seg=1.0)))
