# FDA from two sources at once, each of which can have a share beta of its own. The paper has one source. Training images
# are prepared as in _base_/datasets/gta2cityscapes_fda.py.
_base_ = [
    '_base_/models/deeplabv2_r101.py',
    '_base_/datasets/gta_synthia2cityscapes.py',
    '_base_/methods/fda.py',
    '_base_/schedules/fda_100k.py',
    '_base_/default_runtime.py',
]

fda_size = (512, 1024)
crop = [dict(type='RandomCrop', crop_size=fda_size)]
gta = dict(
    _base_.train_gta,
    pipeline=[*_base_.gta_pipeline[:-1], *crop, dict(type='PackSegInputs')],
)
synthia = dict(
    _base_.train_synthia,
    pipeline=[*_base_.synthia_pipeline[:-2], *crop, dict(type='PackSegInputs')],
)
train_dataloader = dict(dataset=dict(source=[gta, synthia]))
model = dict(
    _delete_=True,
    type='DomainAdaptor',
    segmentor=dict(
        _base_.model,
        decode_head=dict(_base_.model.decode_head, dilations=(6, 12, 18, 24)),
        auxiliary_head=None,
    ),
    objectives=_base_.objectives,
    translator=dict(
        type='PerSourceTranslator',
        translators=[
            dict(type='FourierTranslator', beta=0.01),
            dict(type='FourierTranslator', beta=0.01),
        ],
    ),
    data_preprocessor=dict(_base_.data_preprocessor, source=dict(size=fda_size)),
)
