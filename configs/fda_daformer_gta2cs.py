# DAFormer on source images in the target's look by FDA.
_base_ = './daformer_gta2cs.py'

model = dict(translator=dict(type='FourierTranslator', beta=0.01))
