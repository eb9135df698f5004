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

train_source = dict(
    type='BaseSegDataset',
    data_root=f'{pair_root}/source',
    data_prefix=dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
    metainfo=metainfo,
    pipeline=_base_.source_pipeline,
)
train_target = dict(
    type='BaseSegDataset',
    data_root=f'{pair_root}/target',
    data_prefix=dict(img_path='img_dir/train'),
    metainfo=metainfo,
    pipeline=_base_.target_pipeline,
)
# The upper bound alone reads these labels: see benchmarks/adaptation.py.
labelled_target = dict(
    type='BaseSegDataset',
    data_root=f'{pair_root}/target',
    data_prefix=dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
    metainfo=metainfo,
    pipeline=_base_.source_pipeline,
)
val_target = dict(
    type='BaseSegDataset',
    data_root=f'{pair_root}/target',
    data_prefix=dict(img_path='img_dir/val', seg_map_path='ann_dir/val'),
    metainfo=metainfo,
    pipeline=_base_.test_pipeline,
)

train_dataloader = dict(dataset=dict(source=train_source, target=train_target))
val_dataloader = dict(dataset=val_target)
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=val_target,
)
