# For short trainings of small networks on a CPU: a threshold that a young network reaches, and jitter
# that is stronger, above all in saturation: chosen on the toy domains (docs/benchmarks.md).
teacher = dict(alpha=0.99)
objectives = dict(
    seg=dict(type='SourceSupervision'),
    mix=dict(type='SelfTraining', threshold=0.9, jitter=[0.5, 0.5, 1.0, 0.1], jitter_prob=1.0),
)
