# One share beta: source images with the low frequencies of a target image, and the robust entropy of
# the target's scores. The released code adds the entropy when more than 50,000 iterations are done;
# the command in its README does from the start, `custom_hooks=[]`.
translator = dict(type='FourierTranslator', beta=0.01)
objectives = dict(
    seg=dict(type='SourceSupervision'),
    ent=dict(type='TargetEntropy', penalty='charbonnier', eta=2.0, resize=None, loss_weight=0.005),
)
custom_hooks = [dict(type='LossWeightHook', objective='ent', weights={0: 0.0, 50001: 0.005})]
