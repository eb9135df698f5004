# AdaptSegNet's terms at one level, on source images that a translator learns to make at the same
# time: loss_seg + loss_adv + loss_cyc.
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
    adv_decode=dict(
        type='OutputAlignment',
        head='decode',
        of='softmax',
        discriminator=dict(type='PixelDiscriminator'),
        loss_weight=1e-3,
    ),
)
