# One level, the main head.
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
