# Two images a batch: batch norm of PSPNet's 1x1 pool needs more than one value per channel.
_base_ = [
    '_base_/models/pspnet_r50-d8.py',
    '_base_/datasets/gta2cityscapes_fda_imagenet.py',
    '_base_/methods/fda.py',
    '_base_/schedules/fda_100k.py',
    '_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    objectives=_base_.objectives,
    translator=_base_.translator,
    data_preprocessor=_base_.data_preprocessor,
)
train_dataloader = dict(batch_size=2)
auto_scale_lr = dict(base_batch_size=2)
