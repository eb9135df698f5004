# AdaptSegNet in four merged classes of the ten: both domains and the scores, by one mapping of names.
_base_ = './adaptsegnet_toy.py'

groups = dict(
    ground=['road', 'sidewalk', 'terrain'],
    construction=['building', 'pole', 'traffic sign'],
    nature=['vegetation', 'sky'],
    mobile=['person', 'car'],
)
train_dataloader = dict(
    dataset=dict(
        source=dict(
            _delete_=True, type='MergedClasses', dataset=_base_.train_source, groups=groups
        ),
        target=dict(
            _delete_=True, type='MergedClasses', dataset=_base_.train_target, groups=groups
        ),
    )
)
val_dataloader = dict(
    dataset=dict(_delete_=True, type='MergedClasses', dataset=_base_.val_target, groups=groups)
)
test_dataloader = val_dataloader
model = dict(segmentor=dict(decode_head=dict(num_classes=4)))
