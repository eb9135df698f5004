"""Configs of small data sets."""

from mmengine.config import Config

CLASSES = ('road', 'cost $x_{$')
PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
PIPELINE += [dict(type='RandomCrop', crop_size=(8, 8)), dict(type='PackSegInputs')]


def wrapped(dataset):
    """As in mmseg's configs of drive, stare and others."""
    return dict(type='RepeatDataset', times=40, dataset=dataset)


def unlabelled(dataset):
    """The same for a target."""
    pipeline = [PIPELINE[0], *PIPELINE[2:]]
    return dataset | dict(data_prefix=dict(img_path='img'), pipeline=pipeline)


def config(train, val=None):
    """Of loaders alone, which is what data sets are built of."""
    loaders = dict(train_dataloader=dict(dataset=train))
    return Config(loaders | (dict(val_dataloader=dict(dataset=val)) if val else {}))


def both(source, target):
    """Training data of two domains."""
    return dict(type='SourceTargetDataset', source=source, target=unlabelled(target))
