# The stage `translate` of cycada_gta2cs.py alone. Another segmentor for its semantic term:
#     --cfg-options stages.source.checkpoint=FILE.pth
_base_ = '../cycada_gta2cs.py'

stages = dict(
    source=dict(checkpoint='work_dirs/source_only_gta2cs/iter_150000.pth'),
    segment=None,
    align=None,
)
