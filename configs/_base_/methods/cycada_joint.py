# CyCADA's complete objective in one loss: both translations with cycle and identity terms, the
# segmentor's labels through the generator, and alignment of its scores.
_base_ = './joint_translator.py'

objectives = dict(
    seg=dict(type='SourceSupervision'),
    align=dict(
        type='FeatureAlignment',
        of='logits',
        discriminator=dict(type='PointwiseDiscriminator'),
        loss_weight=0.1,
        gate=None,
    ),
)
