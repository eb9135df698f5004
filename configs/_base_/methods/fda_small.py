# For small images: 0.01 of their sides would swap little more than the mean colour. The entropy comes
# after half of the iterations.
translator = dict(type='FourierTranslator', beta=0.05)
objectives = dict(
    seg=dict(type='SourceSupervision'),
    ent=dict(type='TargetEntropy', penalty='charbonnier', eta=2.0, resize=None, loss_weight=0.005),
)
custom_hooks = [dict(type='LossWeightHook', objective='ent', weights={0: 0.0, 250: 0.005})]
