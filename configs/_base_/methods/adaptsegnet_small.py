# One level, for small images on a CPU: a discriminator of four narrow convolutions. The weight is
# larger than the paper's because AdamW rescales the sum of gradients.
objectives = dict(
    seg=dict(type='SourceSupervision'),
    adv_decode=dict(
        type='OutputAlignment',
        head='decode',
        of='softmax',
        discriminator=dict(type='PixelDiscriminator', channels=16, num_convs=4),
        loss_weight=0.05,
    ),
)
