# The same with all four branches of ASPP summed, as ADVENT and FDA train it.
_base_ = './deeplabv2_r101.py'

model = dict(
    decode_head=dict(dilations=(6, 12, 18, 24)), auxiliary_head=dict(dilations=(6, 12, 18, 24))
)
