# As fewlabel.py, with the terms of advent_small.py.
objectives = dict(
    seg=dict(type='SourceSupervision'),
    lab=dict(type='LabelledTargetSupervision', loss_weight=1.0),
    adv_decode=dict(
        type='OutputAlignment',
        head='decode',
        of='entropy',
        discriminator=dict(type='PixelDiscriminator', channels=16, num_convs=4),
        loss_weight=0.05,
    ),
)
