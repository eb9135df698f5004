# CyCADA's complete objective in one loss: both translations with cycle and identity terms, the
# segmentor's labels through the generator, and alignment of its scores. The semantic term is added
# by `translator=dict(semantics=dict(segmentor=..., data_preprocessor=..., checkpoint=...))`.
translator = dict(
    generator=dict(type='ResnetGenerator', blocks=9),
    discriminator=dict(type='PatchDiscriminator'),
    gan='lsgan',
    cycle_weight=10.0,
    identity_weight=0.5,
    pool_size=50,
)
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
