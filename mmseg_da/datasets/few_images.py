"""A few images of a data set: the same ones in every run, whatever machine it is."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmseg_da.errors import UserError
from mmseg_da.registry import DATASETS

KEY = 'few_images'
"""Where the names are in a dataset's metainfo, and so in every checkpoint of a training."""


def choose_few(names: Sequence[str], num: int, seed: int = 0) -> list[str]:
    """Choose some names by a seed.

    The choice depends on the names and the seed alone, neither on the order of the names nor on a
    random generator; and fewer are always among more, so that trainings with 5 and 50 labelled
    images differ in nothing but the 45 others.

    Args:
        names: Names to choose from.
        num: How many.
        seed: Another seed gives an independent choice.

    Returns:
        Their names, sorted.

    Raises:
        UserError: There are not as many names, or ``num`` or ``seed`` is no such number.
    """
    for key, value, least in (('num', num, 1), ('seed', seed, 0)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UserError(
                f'FewImages: {key} is {value!r}, but has to be an integer of {least} or more'
            )
    if num > len(names):
        raise UserError(f'FewImages: num is {num}, but there are only {len(names)} images')
    return sorted(sorted(names, key=lambda name: _rank(name, seed))[:num])


def _rank(name: str, seed: int) -> bytes:
    return hashlib.sha256(f'{seed} {name}'.encode()).digest()


@DATASETS.register_module(name='FewImages')
def few_images(dataset: dict, num: int, seed: int = 0) -> BaseDataset:
    """Build a data set of a few images of another one, chosen by :func:`choose_few`.

    The names, relative to the folder of the images and without suffix, as in a list for
    ``ann_file``, go to the log and to ``metainfo['few_images']``, which mmengine writes into every
    checkpoint. To choose by hand, name such a list as ``ann_file`` of the dataset itself.

    Args:
        dataset: Config of one mmseg dataset.
        num: Number of images.
        seed: Of the choice.

    Raises:
        UserError: There are fewer images, an image or label of a chosen one is missing, or it is no
            dataset of files.
    """
    built = DATASETS.build(dataset)
    if not isinstance(built, BaseDataset):
        raise UserError(
            f'FewImages: {type(built).__name__} is no dataset of image files; give one dataset, not '
            'several'
        )
    built.full_init()  # also with lazy_init=True: what would be read later is all of its images
    names = image_names(built)
    chosen = choose_few(names, num, seed)
    kept = set(chosen)
    built.get_subset_([index for index, name in enumerate(names) if name in kept])
    require_files(built, 'FewImages')
    built._metainfo[KEY] = chosen
    print_log(
        f'FewImages: {num} of {len(names)} images, seed {seed}: {", ".join(chosen)}', 'current'
    )
    return built


def image_names(dataset: BaseDataset) -> list[str]:
    """The image of each sample, below the folder of the images and without suffix.

    Raises:
        UserError: An image is there twice.
    """
    require_once(dataset)
    folder = dataset.data_prefix.get('img_path') or ''
    suffix = getattr(dataset, 'img_suffix', '')
    paths = (dataset.get_data_info(index)['img_path'] for index in range(len(dataset)))
    names = [Path(os.path.relpath(path, folder)).as_posix() for path in paths]
    return [name.removesuffix(suffix) if isinstance(suffix, str) else name for name in names]


def require_once(dataset: BaseDataset) -> None:
    """See that no image is in a dataset twice, as a list may name it: it would count twice.

    Raises:
        UserError: One is; names it and the list.
    """
    paths = Counter(dataset.get_data_info(index).get('img_path') for index in range(len(dataset)))
    repeated = [str(path) for path, times in paths.items() if path and times > 1]
    if repeated:
        listed = getattr(dataset, 'ann_file', '') or 'labelled images'
        raise UserError(f'{listed}: {", ".join(repeated[:3])} is there twice')


def require_files(dataset: BaseDataset, what: str) -> None:
    """See that every image of a dataset, and its label if it has one, is there.

    Args:
        dataset: Of few images: each file is looked for. Files that are not on this disk pass.
        what: Name of the dataset, for the message.

    Raises:
        UserError: A file is missing; names it and the list that names it.
    """
    listed = f', which {dataset.ann_file} names' if getattr(dataset, 'ann_file', '') else ''
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        for key, kind in (('img_path', 'image'), ('seg_map_path', 'label')):
            path = info.get(key)
            if path and '://' not in str(path) and not os.path.isfile(path):
                raise UserError(f'{what}: {path}: no such {kind}{listed}')
