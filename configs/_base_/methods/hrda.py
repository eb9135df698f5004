# DAFormer's terms for crops of 1024. Margins without weight are those of whole images, which the
# target's pipeline marks.
rare_classes = dict(temperature=0.01, min_pixels=3000, min_crop_ratio=2.0)
teacher = dict(alpha=0.999)
objectives = dict(
    seg=dict(type='SourceSupervision'),
    fd=dict(type='FeatureDistance', loss_weight=0.005),
    mix=dict(type='SelfTraining', threshold=0.968, classes='batch'),
)
