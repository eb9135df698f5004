_base_ = [
    '../_base_/models/small_resnet.py',
    '../_base_/datasets/toy.py',
    '../_base_/methods/cbst.py',
    '../_base_/schedules/small_source_only.py',
    '../_base_/small_runtime.py',
]

runner_type = 'StagedRunner'
model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    objectives=_base_.objectives,
    data_preprocessor=_base_.data_preprocessor,
)
pseudo_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadPseudoLabels', folder='round:labels'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
rounds = dict(
    number=3,
    later=dict(
        train_dataloader=dict(dataset=dict(target=dict(pipeline=pseudo_pipeline))),
        param_scheduler=[
            dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=251, by_epoch=False)
        ],
        train_cfg=dict(max_iters=250, val_interval=250),
    ),
    labels=dict(rule=dict(keep=[0.20, 0.25])),
)
