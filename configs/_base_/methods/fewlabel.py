# Semi-supervised adaptation: the labelled target images count as the source's do, and AdvEnt's terms
# learn from the others.
objectives = dict(
    seg=dict(type='SourceSupervision'),
    lab=dict(type='LabelledTargetSupervision', loss_weight=1.0),
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
