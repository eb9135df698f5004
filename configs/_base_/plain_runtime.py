# For a plain segmentor of mmseg: one step for the whole model, by mmengine's own wrapper.
_base_ = './default_runtime.py'

model_wrapper_cfg = dict(_delete_=True, type='MMDistributedDataParallel', broadcast_buffers=False)
# A plain segmentor has nothing to draw. No `None`: in a test, mmengine's runner refuses it.
default_hooks = dict(checkpoint=dict(interval=1000), adaptation_view=dict(interval=0))
