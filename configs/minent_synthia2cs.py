# MinEnt's terms on the authors' schedule for SYNTHIA, in the 16 classes that it has; two levels, because
# their code for MinEnt has no single one.
_base_ = [
    '_base_/models/deeplabv2_r101_aspp4.py',
    '_base_/datasets/synthia2cityscapes_16.py',
    '_base_/methods/minent.py',
    '_base_/schedules/minent_90k.py',
    '_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=dict(
        _base_.model,
        decode_head=dict(_base_.model.decode_head, num_classes=16),
        auxiliary_head=dict(_base_.model.auxiliary_head, num_classes=16),
    ),
    objectives=_base_.objectives,
    data_preprocessor=_base_.data_preprocessor,
)
