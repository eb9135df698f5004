# The size of SegFormer-B0: MiT-B0 with ImageNet weights, and DAFormer's head of half the width.
_base_ = './daformer_mitb5.py'

model = dict(
    backbone=dict(
        embed_dims=32,
        num_layers=[2, 2, 2, 2],
        init_cfg=dict(
            checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/mit_b0_20220624-7e0fe6dd.pth'
        ),
    ),
    decode_head=dict(in_channels=[32, 64, 160, 256], channels=128),
)
