_base_ = './vfm_dinov2_l.py'

model = dict(
    backbone=dict(
        embed_dims=768,
        num_layers=12,
        num_heads=12,
        init_cfg=dict(checkpoint='{{$MMSEG_DA_DATA:data}}/pretrained/dinov2_vitb14.pth'),
    ),
    decode_head=dict(in_channels=768),
)
