# AdaptSegNet on source images with the low frequencies of the target: one line before any method.
_base_ = './adaptsegnet_gta2cs.py'

model = dict(translator=dict(type='FourierTranslator', beta=0.01))
