_base_ = [
    '_base_/models/deeplabv2_r101.py',
    '_base_/datasets/gta2cityscapes_crops400.py',
    '_base_/methods/cycada_joint.py',
    '_base_/schedules/joint_150k.py',
    '_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='JointAdaptor',
    segmentor=_base_.model,
    objectives=_base_.objectives,
    translator=_base_.translator,
    data_preprocessor=_base_.data_preprocessor,
)
