_base_ = './small_source_only.py'

optim_wrapper = dict(
    discriminators=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
)
