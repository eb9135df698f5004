# The stage `segment` of cycada_gta2cs.py alone. Other checkpoints to start and to translate with:
#     --cfg-options stages.source.checkpoint=FILE.pth stages.translate.checkpoint=OTHER.pth
_base_ = '../cycada_gta2cs.py'

stages = dict(
    source=dict(checkpoint='work_dirs/source_only_gta2cs/iter_150000.pth'),
    translate=dict(checkpoint='work_dirs/pixel_gta2cs/iter_500000.pth'),
    align=None,
)
