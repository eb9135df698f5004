_base_ = './fda_toy.py'

runner_type = 'StagedRunner'
pseudo_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadPseudoLabels', folder='round:labels'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
rounds = dict(
    number=3,
    members=dict(
        b02=dict(model=dict(translator=dict(beta=0.02))),
        b05=dict(model=dict(translator=dict(beta=0.05))),
        b09=dict(model=dict(translator=dict(beta=0.09))),
    ),
    later=dict(
        model=dict(objectives=dict(pseudo=dict(type='PseudoSupervision'))),
        train_dataloader=dict(dataset=dict(target=dict(pipeline=pseudo_pipeline))),
        custom_hooks=[],  # no switch of the entropy; hooks of your own have to be named here, too
    ),
    labels=dict(rule=dict(type='class_share', keep=0.34, sure=0.9)),
    evaluate=dict(average='softmax_lowres'),
)
