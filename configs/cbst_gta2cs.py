# Class-balanced self-training with DeepLabV2 in one command: round0, labels1, round1, ..., round3.
#
# CBST's: the rule that chooses the labels, without spatial priors, and the shares.
# Ours: the network and the preparation of images, which are AdaptSegNet's, for its ResNet-38, crops and
# mining of rare classes; the lengths and learning rates of the rounds.
_base_ = [
    '_base_/models/deeplabv2_r101.py',
    '_base_/datasets/gta2cityscapes.py',
    '_base_/methods/cbst.py',
    '_base_/schedules/source_only_150k.py',
    '_base_/default_runtime.py',
]

runner_type = 'StagedRunner'
model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    objectives=_base_.objectives,
    data_preprocessor=_base_.data_preprocessor,
)
# Labels have the size of the images that the network predicts on: they are loaded after the resize.
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
    later=dict(
        train_dataloader=dict(dataset=dict(target=dict(pipeline=pseudo_pipeline))),
        param_scheduler=[
            dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=20001, by_epoch=False)
        ],
        train_cfg=dict(max_iters=20000),
    ),
)
