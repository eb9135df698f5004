# A source training, then 20 labelled images of the target, both of a plain segmentor of mmseg.
_base_ = [
    '../_base_/models/small_mobilenetv2.py',
    '../_base_/datasets/fluo2histo.py',
    '../_base_/schedules/small_finetune.py',
    '../_base_/small_runtime.py',
]

runner_type = 'StagedRunner'
model_wrapper_cfg = dict(_delete_=True, type='MMDistributedDataParallel', broadcast_buffers=False)
model = dict(
    data_preprocessor=dict(_base_.data_preprocessor, type='SegDataPreProcessor'),
    decode_head=dict(num_classes=len(_base_.metainfo.classes)),
)
train_dataloader = dict(
    sampler=dict(type='LabelledSampler'),
    dataset=dict(
        _delete_=True, type='LabelledDataset', dataset=_base_.labelled_target, num=20, seed=0
    ),
)
labelled_source = _base_.train_dataloader.dataset.source
stages = dict(
    source=dict(
        train_dataloader=dict(
            dataset=dict(_delete_=True, type='LabelledDataset', dataset=labelled_source)
        ),
        **_base_.source_schedule,
    ),
    finetune=dict(load_from='stage:source'),
)
