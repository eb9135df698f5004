# MIC beside AdaptSegNet's terms; source-only and AdaptSegNet have a teacher for it alone.
_base_ = './adaptsegnet.py'

teacher = dict(alpha=0.999)
objectives = dict(mask=dict(type='MaskedConsistency', ratio=0.7, block=32, threshold=0.968))
