# DAFormer's training of DeepLabV2, whose backbone takes images as Caffe's does.
_base_ = [
    '_base_/models/deeplabv2_r101.py',
    '_base_/datasets/gta2cityscapes_daformer.py',
    '_base_/methods/daformer.py',
    '_base_/schedules/daformer_40k.py',
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
# Of DAFormer's code: ignored pixels are in the mean's count.
model['segmentor']['decode_head']['loss_decode'] = dict(type='CrossEntropyLoss', loss_weight=1.0)
train_dataloader = dict(dataset=dict(rare_classes=_base_.rare_classes))
