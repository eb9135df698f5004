# PSPNet is our choice. Two images a batch where it is trained: batch norm of its 1x1 pool needs more
# than one value per channel.
_base_ = [
    '_base_/models/pspnet_r50-d8.py',
    '_base_/datasets/gta2cityscapes_imagenet.py',
    '_base_/methods/cycada.py',
    '_base_/schedules/source_only_150k.py',
    '_base_/default_runtime.py',
]

runner_type = 'StagedRunner'
model = dict(
    _delete_=True,
    type='AlternatingAdaptor',
    segmentor=_base_.model,
    objectives=_base_.objectives,
    translator=_base_.translator,
    data_preprocessor=_base_.data_preprocessor,
)
train_dataloader = dict(batch_size=2)
auto_scale_lr = dict(base_batch_size=2)
# The segmentor of the stage `source`, frozen, sees the same classes before and after translation.
stages = dict(
    translate=dict(
        model=dict(
            semantics=dict(
                segmentor=_base_.model,
                data_preprocessor=_base_.data_preprocessor,
                checkpoint='stage:source',
                target='hard',
                weight=1.0,
            ),
        ),
    ),
)
