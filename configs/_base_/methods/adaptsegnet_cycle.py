# AdaptSegNet's terms at one level, on source images that a translator learns to make at the same
# time: loss_seg + loss_adv + loss_cyc.
_base_ = './joint_translator.py'

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
