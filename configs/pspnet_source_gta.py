# PSPNet on GTA5 with its labels: an ordinary training, and the start of pspnet_finetune_*.py.
_base_ = [
    '_base_/models/pspnet_r50-d8.py',
    '_base_/datasets/labelled_gta.py',
    '_base_/schedules/pspnet_80k.py',
    '_base_/plain_runtime.py',
]

model = dict(data_preprocessor=_base_.data_preprocessor)
