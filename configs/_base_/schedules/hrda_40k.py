# DAFormer's, and the scale attention learns as fast as the decode head, in which it is released.
_base_ = './daformer_40k.py'

optim_wrapper = dict(
    segmentor=dict(
        paramwise_cfg=dict(custom_keys=dict(scale_attention=dict(lr_mult=10.0))),
    ),
)
