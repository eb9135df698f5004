# What the target's own training labels would give: for comparison, not adaptation.
_base_ = './source_only_camvid2idd.py'

train_dataloader = dict(dataset=dict(source=dict(_delete_=True, **_base_.labelled_target)))
