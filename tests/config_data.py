"""What a config says of its data, and a batch of them for any model."""

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmseg_da.datasets.merging import unwrapped
from mmseg_da.registry import DATASETS


def batch(num_classes, size, num=2, sources=1):
    """A collated batch of every domain, source images of several sources in turn."""
    generator = torch.Generator().manual_seed(0)

    def domain(labelled):
        samples = [SegDataSample(metainfo=dict(img_shape=size, ori_shape=size)) for _ in range(num)]
        for sample in samples:  # what a target has are the labels of an earlier training
            labels = torch.randint(num_classes, (1, *size), generator=generator)
            name = 'gt_sem_seg' if labelled else 'pseudo_sem_seg'
            setattr(sample, name, PixelData(data=labels))
        images = torch.randint(256, (num, 3, *size), generator=generator, dtype=torch.uint8)
        return dict(inputs=list(images), data_samples=samples)

    made = dict(source=domain(True), target=domain(False), labelled=domain(True))
    for number, sample in enumerate(made['source']['data_samples']):
        sample.set_metainfo(dict(source_index=number % sources))
    return made


def classes_of(dataset):
    """Number of classes of a dataset's config."""
    return len(names_of(dataset))


def names_of(dataset):
    """Names of the classes of a dataset's config."""
    if dataset.get('type') == 'MergedClasses':
        return tuple(dataset['groups'])  # of which every class is a member
    while isinstance(dataset.get('dataset'), dict):
        dataset = dataset['dataset']
    named = dataset.get('metainfo') or DATASETS.get(dataset['type']).METAINFO
    return tuple(named['classes'])


def domains_of(dataset):
    """The parts of a training's data: sources and target, or the one of a training without target."""
    return [*listed(dataset.source), dataset.target] if 'target' in dataset else [dataset]


def leaves(dataset):
    """The datasets of a domain, without what is around them."""
    return [unwrapped(each) for each in listed(dataset)]


def listed(dataset):
    """The datasets of a domain."""
    return dataset if isinstance(dataset, list) else [dataset]
