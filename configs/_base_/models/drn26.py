# DRN-26 as CyCADA trains it: an eighth of the resolution, one 1x1 convolution to the classes,
# corner-aligned upsampling, batch norm that is trained. Images as ImageNet weights expect them:
# datasets/gta2cityscapes_imagenet.py. The file's own classifier (`fc`) is left out.
model = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='DRN',
        blocks=(1, 1, 2, 2, 2, 2, 1, 1),
        base_channels=16,
        out_indices=(7,),
        norm_cfg=dict(type='BN', requires_grad=True),
        init_cfg=dict(type='Pretrained', checkpoint='http://dl.yf.io/drn/drn_c_26-ddedf421.pth'),
    ),
    decode_head=dict(
        type='FCNHead',
        in_channels=512,
        in_index=0,
        channels=512,
        num_convs=0,
        kernel_size=1,
        concat_input=False,
        dropout_ratio=0.0,
        num_classes=19,
        align_corners=True,
        init_cfg=dict(type='Kaiming', override=dict(name='conv_seg')),
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
