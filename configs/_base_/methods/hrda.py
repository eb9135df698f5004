# DAFormer's terms for crops of 1024. The released code leaves out margins of the whole Cityscapes
# image; rows of a crop that is as high as the image are the same, but for the 30 columns at each side.
rare_classes = dict(temperature=0.01, min_pixels=3000, min_crop_ratio=2.0)
teacher = dict(alpha=0.999)
objectives = dict(
    seg=dict(type='SourceSupervision'),
    fd=dict(type='FeatureDistance', loss_weight=0.005),
    mix=dict(
        type='SelfTraining', threshold=0.968, classes='batch', ignore_top=30, ignore_bottom=240
    ),
)
