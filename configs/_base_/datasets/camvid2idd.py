# Driving: Cambridge (CamVid) to India (IDD-Lite). docs/data.md says where from.
_base_ = './real_pair.py'

pair_root = '{{$MMSEG_DA_DATA:data}}/camvid2idd'
metainfo = dict(
    classes=('drivable', 'non-drivable', 'living', 'vehicle', 'roadside', 'far', 'sky'),
    palette=[
        [128, 64, 128],
        [244, 35, 232],
        [220, 20, 60],
        [0, 0, 142],
        [220, 220, 0],
        [70, 70, 70],
        [70, 130, 180],
    ],
)

source = dict(data_root=f'{pair_root}/source', metainfo=metainfo)
target = dict(data_root=f'{pair_root}/target', metainfo=metainfo)
train_dataloader = dict(dataset=dict(source=source, target=target))
val_dataloader = dict(dataset=target)
test_dataloader = dict(dataset=target)
labelled_target = target
