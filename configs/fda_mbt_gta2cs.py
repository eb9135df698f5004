# FDA with multi-band transfer and two rounds of self-training in one command: three networks, of the
# shares 0.01, 0.05 and 0.09, label the target's training images together; three new ones learn from
# these labels, too; and again. At the end the mean of the last three is tested.
#
# The released code's: the shares, the mean, the rule that keeps labels, networks that start anew in each
# round, the entropy from the start where there are labels. docs/methods/self_training.md says more.
_base_ = './fda_gta2cs.py'

runner_type = 'StagedRunner'
# Labels are made, and learned, of images of 512x1024.
pseudo_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='Resize',
        scale=(1024, 512),
        keep_ratio=False,
        interpolation='bicubic',
        backend='pillow',
    ),
    dict(type='LoadPseudoLabels', folder='round:labels'),
    dict(type='PackSegInputs'),
]
rounds = dict(
    number=3,
    members=dict(
        b01=dict(model=dict(translator=dict(beta=0.01))),
        b05=dict(model=dict(translator=dict(beta=0.05))),
        b09=dict(model=dict(translator=dict(beta=0.09))),
    ),
    later=dict(
        model=dict(objectives=dict(pseudo=dict(type='PseudoSupervision'))),
        train_dataloader=dict(dataset=dict(target=dict(pipeline=pseudo_pipeline))),
        custom_hooks=[],  # no switch of the entropy; hooks of your own have to be named here, too
    ),
    labels=dict(
        rule=dict(type='class_share', keep=0.34, sure=0.9),  # the paper: 0.66
        average='softmax_lowres',
        pipeline=_base_.target_pipeline,
    ),
    evaluate=dict(average='softmax_lowres'),
)
