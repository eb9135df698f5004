# For short trainings of small networks on a CPU: a threshold that a young network reaches, stronger jitter,
# and no crops. The distance is for networks that start from ImageNet.
rare_classes = dict(temperature=0.05, min_pixels=100)
teacher = dict(alpha=0.99)
objectives = dict(
    seg=dict(type='SourceSupervision'),
    fd=dict(type='FeatureDistance', things=None, loss_weight=0.005),
    mix=dict(type='SelfTraining', threshold=0.5, jitter=0.5, jitter_prob=1.0),
)
