# Aerial images: a desert city (Dubai) to a temperate country (Czechia). docs/data.md says where from.
_base_ = './real_pair.py'

pair_root = '{{$MMSEG_DA_DATA:data}}/dubai2czech'
metainfo = dict(
    classes=('building', 'land', 'road', 'vegetation', 'water'),
    palette=[[60, 16, 152], [132, 41, 246], [110, 193, 228], [254, 221, 58], [226, 169, 41]],
)

source = dict(data_root=f'{pair_root}/source', metainfo=metainfo)
target = dict(data_root=f'{pair_root}/target', metainfo=metainfo)
train_dataloader = dict(dataset=dict(source=source, target=target))
val_dataloader = dict(dataset=target)
test_dataloader = dict(dataset=target)
labelled_target = target
