# GTA5 with its labels, prepared in the same way; scored on Cityscapes.
_base_ = './labelled_cityscapes.py'

gta_root = '{{$MMSEG_DA_DATA:data}}/gta'
labelled = dict(
    _delete_=True,
    type='GTADataset',
    data_root=gta_root,
    data_prefix=dict(img_path='images', seg_map_path='labels'),
    pipeline=_base_.train_pipeline,
)
train_dataloader = dict(dataset=dict(dataset=labelled))
