# The released code's settings. Margins are rows of Cityscapes crops that are as high as the image: of
# other targets set them to 0.
rare_classes = dict(temperature=0.01, min_pixels=3000, min_crop_ratio=0.5)
teacher = dict(alpha=0.999)
objectives = dict(
    seg=dict(type='SourceSupervision'),
    fd=dict(type='FeatureDistance', loss_weight=0.005),
    mix=dict(
        type='SelfTraining', threshold=0.968, classes='batch', ignore_top=15, ignore_bottom=120
    ),
)
