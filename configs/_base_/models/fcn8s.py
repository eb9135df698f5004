# FCN8s-VGG16 as CyCADA trains it: fc6 and fc7 of ImageNet as convolutions, scaled skips that start
# at zero, fixed bilinear upsampling to the size of the images. Images as torchvision's weights
# expect them: datasets/gta2cityscapes_imagenet.py.
model = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='FCNVGG16',
        base_channels=64,
        fc_channels=4096,
        dropout=0.5,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://vgg16'),
    ),
    decode_head=dict(
        type='FCN8sHead',
        in_channels=(3, 256, 512, 4096),  # of the images, pool3, pool4 and fc7
        num_classes=19,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
