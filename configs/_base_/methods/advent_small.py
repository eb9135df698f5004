# One level, for small images on a CPU, with the rival and the weight of adaptsegnet_small.py.
objectives = dict(
    seg=dict(type='SourceSupervision'),
    adv_decode=dict(
        type='OutputAlignment',
        head='decode',
        of='entropy',
        discriminator=dict(type='PixelDiscriminator', channels=16, num_convs=4),
        loss_weight=0.05,
    ),
)
