_base_ = './source_only_150k.py'

optim_wrapper = dict(
    discriminators=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
)
