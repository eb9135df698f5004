# SegFormer-B0 with DAFormer's images, optimizer and warm-up.
_base_ = [
    '_base_/models/segformer_mit-b0.py',
    '_base_/datasets/gta2cityscapes_daformer.py',
    '_base_/methods/dacs.py',
    '_base_/schedules/daformer_40k.py',
    '_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    teacher=_base_.teacher,
    objectives=_base_.objectives,
    data_preprocessor=_base_.data_preprocessor,
)
