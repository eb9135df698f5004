# Two levels, as in the paper: no rival, the target's entropy itself is minimised.
objectives = dict(
    seg=dict(type='SourceSupervision'),
    ent_aux=dict(type='TargetEntropy', head='aux', loss_weight=2e-4),
    ent_decode=dict(type='TargetEntropy', head='decode', loss_weight=1e-3),
)
