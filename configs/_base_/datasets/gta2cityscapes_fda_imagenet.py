# The same images, prepared as torchvision's ImageNet weights expect them.
_base_ = './gta2cityscapes_fda.py'

data_preprocessor = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
)
