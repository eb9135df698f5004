# Two levels, as in the paper. The released code's README lowers the weights on torch 0.4 and later.
objectives = dict(
    seg=dict(type='SourceSupervision'),
    adv_aux=dict(
        type='OutputAlignment',
        head='aux',
        of='softmax',
        discriminator=dict(type='PixelDiscriminator'),
        loss_weight=2e-4,
    ),
    adv_decode=dict(
        type='OutputAlignment',
        head='decode',
        of='softmax',
        discriminator=dict(type='PixelDiscriminator'),
        loss_weight=1e-3,
    ),
)
