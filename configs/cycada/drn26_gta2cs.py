# DRN-26, as in the paper, and the stages that its authors ran for GTA: translate -> segment -> align,
# without the semantic term, so that no stage `source` is needed; `segment` starts from ImageNet.
_base_ = [
    '../_base_/models/drn26.py',
    '../_base_/datasets/gta2cityscapes_crops.py',
    '../_base_/methods/cycada.py',
    '../_base_/schedules/cycada_100k.py',
    '../_base_/default_runtime.py',
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
model['translator']['scale'] = 0.55  # of images 1863 wide: translation learns on 1024
stages = dict(
    source=None,
    segment=dict(load_from=None),
    align=dict(train_dataloader=dict(batch_size=1), auto_scale_lr=dict(base_batch_size=1)),
)
