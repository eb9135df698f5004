# MIC on HRDA. The paper masks one source and one target image here, without jitter and blur.
_base_ = [
    '_base_/models/hrda_mitb5.py',
    '_base_/datasets/cityscapes2darkzurich_crops1024.py',
    '_base_/methods/mic_hrda.py',
    '_base_/schedules/hrda_40k.py',
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
model['objectives']['mask'].update(images='both', augment=False)
train_dataloader = dict(dataset=dict(rare_classes=_base_.rare_classes))
