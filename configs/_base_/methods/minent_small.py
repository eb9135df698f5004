# One level, for small images on a CPU. The weight is larger than the paper's because AdamW rescales
# the sum of gradients.
objectives = dict(
    seg=dict(type='SourceSupervision'),
    ent_decode=dict(type='TargetEntropy', head='decode', loss_weight=0.01),
)
