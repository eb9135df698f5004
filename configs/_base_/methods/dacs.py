# The released code's settings. Classes are chosen in each image; DAFormer chooses in the batch.
teacher = dict(alpha=0.99)
objectives = dict(
    seg=dict(type='SourceSupervision'),
    mix=dict(type='SelfTraining', threshold=0.968, classes='image', jitter=0.25),
)
