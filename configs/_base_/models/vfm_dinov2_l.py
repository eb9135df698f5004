# DINOv2's ViT-L with a small decoder. Its weights are made from the published ones by
# tools/model_converters/dinov2mmseg.py.
model = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='DINOv2',
        embed_dims=1024,
        num_layers=24,
        num_heads=16,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='{{$MMSEG_DA_DATA:data}}/pretrained/dinov2_vitl14.pth',
        ),
    ),
    decode_head=dict(
        type='UpscaleHead',
        in_channels=1024,
        num_classes=19,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='slide', crop_size=(1024, 1024), stride=(512, 512)),
)
