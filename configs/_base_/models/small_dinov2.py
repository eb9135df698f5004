# A vision transformer of DINOv2's kind, small enough to learn the toy scenes from scratch on a CPU.
model = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='DINOv2',
        embed_dims=64,
        num_layers=4,
        num_heads=4,
        patch_size=8,
        img_size=128,
        resize=1.0,
    ),
    decode_head=dict(
        type='UpscaleHead',
        in_channels=64,
        num_classes=10,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
