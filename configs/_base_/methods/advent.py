# Two levels, as in the paper: AdaptSegNet's terms on the self-information of each class.
objectives = dict(
    seg=dict(type='SourceSupervision'),
    adv_aux=dict(
        type='OutputAlignment',
        head='aux',
        of='entropy',
        discriminator=dict(type='PixelDiscriminator'),
        loss_weight=2e-4,
    ),
    adv_decode=dict(
        type='OutputAlignment',
        head='decode',
        of='entropy',
        discriminator=dict(type='PixelDiscriminator'),
        loss_weight=1e-3,
    ),
)
