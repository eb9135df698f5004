# The terms of dacs_small.py, rare classes drawn more often, and the distance, which is for networks that
# start from ImageNet.
rare_classes = dict(temperature=0.05, min_pixels=100)
teacher = dict(alpha=0.99)
objectives = dict(
    seg=dict(type='SourceSupervision'),
    fd=dict(type='FeatureDistance', things=None, loss_weight=0.005),
    mix=dict(type='SelfTraining', threshold=0.9, jitter=[0.5, 0.5, 1.0, 0.1], jitter_prob=1.0),
)
