# For short trainings on a CPU: a threshold that a young network reaches.
teacher = dict(alpha=0.99)
objectives = dict(
    seg=dict(type='SourceSupervision'),
    mix=dict(type='SelfTraining', threshold=0.9),
)
