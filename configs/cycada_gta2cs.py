# All of CyCADA in one command: source -> translate -> segment -> align.
#
# The paper's: the order of the stages, the losses, the semantic consistency with a segmentor that the
# source has trained (its equation 4; its GTA experiment left the term out to save memory), Adam and
# learning rates of translation, the gate and the optimizers of alignment.
# Ours: the segmentor, DeepLabV2 with ResNet-101 for the paper's FCN8s and DRN-26, which
# configs/cycada/ has; its preparation of images and schedule, which are AdaptSegNet's; that the stage
# `segment` starts from the stage `source`, and translates while it trains.
_base_ = [
    '_base_/models/deeplabv2_r101.py',
    '_base_/datasets/gta2cityscapes.py',
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
