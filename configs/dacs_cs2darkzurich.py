# DACS on DAFormer's images, prepared as the Caffe weights of DeepLabV2's backbone expect them.
_base_ = [
    '_base_/models/deeplabv2_r101_aspp4.py',
    '_base_/datasets/cityscapes2darkzurich_crops512.py',
    '_base_/methods/dacs.py',
    '_base_/schedules/dacs_250k.py',
    '_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=_base_.model,
    teacher=_base_.teacher,
    objectives=_base_.objectives,
    data_preprocessor=dict(
        _base_.data_preprocessor,
        mean=[104.00698793, 116.66876762, 122.67891434],
        std=[1.0, 1.0, 1.0],
        bgr_to_rgb=False,
    ),
)
model['segmentor']['auxiliary_head'] = None
