# DAFormer on source images that CyCADA's generator gives the target's look: train it first with
# configs/cycada/pixel_gta2cs.py, or name another checkpoint as model.translator.checkpoint.
_base_ = './daformer_gta2cs.py'

model = dict(
    translator=dict(
        type='FrozenTranslator',
        generator=dict(type='ResnetGenerator', blocks=9),
        checkpoint='work_dirs/pixel_gta2cs/iter_500000.pth',
        scale=0.8,  # the source is 1280 wide here, and was 1024 wide when the generator was trained
    ),
)
