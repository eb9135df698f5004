# One level: the discriminator sees the main head, and there is no auxiliary head.
_base_ = './advent_gta2cs.py'

model = dict(segmentor=dict(auxiliary_head=None), objectives=dict(adv_aux=None))
