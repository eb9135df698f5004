# CycleGAN with residual generators, for a JointAdaptor. CyCADA's semantic term is added by
# `translator=dict(semantics=dict(segmentor=..., data_preprocessor=..., checkpoint=...))`.
translator = dict(
    generator=dict(type='ResnetGenerator', blocks=9),
    discriminator=dict(type='PatchDiscriminator'),
    gan='lsgan',
    cycle_weight=10.0,
    identity_weight=0.5,
    pool_size=50,
)
