# The released code's settings: jitter as torchvision's, drawn for each image.
rare_classes = dict(temperature=0.05, min_pixels=3000, min_crop_ratio=2.0, tries=20)
teacher = dict(alpha=0.999, flips=True)
weak_jitter = [32 / 255, 0.5, 0.5, 18 / 360]
objectives = dict(
    seg=dict(type='JitteredSupervision', jitter=weak_jitter, jitter_prob=0.9),
    mix=dict(
        type='SelfTraining',
        threshold=0.968,
        classes='batch',
        target_jitter=weak_jitter,
        photometric=True,
        each_image=True,
    ),
    mask=dict(
        type='MaskedConsistency',
        where='tokens',
        ratio=0.7,
        threshold=0.968,
        photometric=True,
        each_image=True,
    ),
)
