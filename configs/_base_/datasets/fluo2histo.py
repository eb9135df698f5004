# Microscopy: fluorescence to stained tissue, the contrast inverted. docs/data.md says where from.
_base_ = './real_pair.py'

pair_root = '{{$MMSEG_DA_DATA:data}}/fluo2histo'
metainfo = dict(
    classes=('background', 'nucleus'),
    palette=[[240, 240, 240], [200, 40, 120]],
)

source = dict(data_root=f'{pair_root}/source', metainfo=metainfo)
target = dict(data_root=f'{pair_root}/target', metainfo=metainfo)
train_dataloader = dict(dataset=dict(source=source, target=target))
val_dataloader = dict(dataset=target)
test_dataloader = dict(dataset=target)
labelled_target = target
