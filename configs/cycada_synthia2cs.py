# As cycada_gta2cs.py, but for the data, of which the paper has no result. Whole images of SYNTHIA are
# 1280 wide, like those of GTA there.
_base_ = [
    '_base_/models/deeplabv2_r101.py',
    '_base_/datasets/synthia2cityscapes.py',
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
