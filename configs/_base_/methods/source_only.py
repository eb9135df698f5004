objectives = dict(seg=dict(type='SourceSupervision'))
