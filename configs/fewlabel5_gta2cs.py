# Five labelled target images. Compare with source_only_aspp4_gta2cs.py, which has none of them, and with
# targetonly5_gta2cs.py, which has nothing else.
_base_ = [
    '_base_/models/deeplabv2_r101_aspp4.py',
    '_base_/datasets/gta2cityscapes_few.py',
    '_base_/methods/fewlabel.py',
    '_base_/schedules/adaptsegnet_150k.py',
    '_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    objectives=_base_.objectives,
    data_preprocessor=_base_.data_preprocessor,
)
train_cfg = dict(max_iters=120000)  # as ADVENT stops
