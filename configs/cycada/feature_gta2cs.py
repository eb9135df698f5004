# The stage `align` of cycada_gta2cs.py alone. Other checkpoints to translate with and to start from:
#     --cfg-options stages.translate.checkpoint=FILE.pth stages.segment.checkpoint=OTHER.pth
_base_ = '../cycada_gta2cs.py'

stages = dict(
    source=None,
    translate=dict(checkpoint='work_dirs/pixel_gta2cs/iter_500000.pth'),
    segment=dict(checkpoint='work_dirs/segment_gta2cs/iter_150000.pth'),
)
