"""Files that cannot be read, or do not belong together, are told by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset, Compose
from mmseg.datasets.transforms import PackSegInputs
from PIL import Image, UnidentifiedImageError
from torch.utils.data import Dataset

from mmseg_da.datasets.pictures import SUFFIXES
from mmseg_da.errors import UserError

IGNORE = 255
_PICTURES = (*SUFFIXES, '.gif')  # of labels, as in DRIVE
_TIFF = (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')  # how these files begin
_WIDE = ('I', 'I;16', 'I;16B', 'I;16L', 'I;16N', 'F')  # Pillow's names of more than 8 bits


def name_files(dataset: Dataset) -> None:
    """Have a dataset, and those that it wraps, name the file that fails in its pipeline.

    Labels that are loaded are looked at before they are cropped and before they are packed: their
    size has to be that of the image, and when packed each is a class or 255.

    Args:
        dataset: Changed in place.
    """
    for inner in getattr(dataset, 'datasets', ()):
        name_files(inner)
    if isinstance(getattr(dataset, 'dataset', None), Dataset):
        name_files(dataset.dataset)
    if not isinstance(dataset, BaseDataset) or isinstance(dataset.pipeline, NamingPipeline):
        return
    transforms = list(dataset.pipeline.transforms)
    cropping = [i for i, each in enumerate(transforms) if 'Crop' in type(each).__name__]
    packing = [i for i, each in enumerate(transforms) if isinstance(each, PackSegInputs)]
    if packing:
        classes = dataset.metainfo.get('classes') or ()
        transforms.insert(packing[0], CheckLabels(len(classes)))
    if cropping:
        transforms.insert(cropping[0], CheckLabels(0))  # the size; ids are cheaper after the crop
    dataset.pipeline = NamingPipeline(transforms)


class NamingPipeline(Compose):
    """A pipeline that names the file in which it fails."""

    def __call__(self, data: dict) -> dict | None:
        """Run the transforms.

        Raises:
            UserError: One of them has failed; says what is wrong with the image or label, or what
                the transform said.
        """
        try:
            return super().__call__(data)
        except UserError:
            raise
        except Exception as error:  # whatever a decoder or transform raises
            raise UserError(_diagnosis(data, error)) from error


class CheckLabels:
    """A transform that lets labels pass unless they do not belong to the image or the classes.

    Args:
        num_classes: Number of classes, 0 if it is not known.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes

    def __call__(self, results: dict) -> dict:
        """Look at ``gt_seg_map`` if it is there.

        Raises:
            UserError: It is no map of ids, of another size, or holds an id that is no class.
        """
        labels, image = results.get('gt_seg_map'), results.get('img')
        if not isinstance(labels, np.ndarray) or not isinstance(image, np.ndarray):
            return results
        name = results.get('seg_map_path', 'a label')
        if labels.ndim != 2:
            raise UserError(
                f'{name}: the label is a colour picture of {labels.shape[-1]} channels; labels hold one '
                'class id per pixel, see docs/data.md'
            )
        # In testing the image is resized and the labels are not.
        sizes = {image.shape[:2], tuple(results.get('ori_shape', image.shape))[:2]}
        if labels.shape not in sizes:
            raise UserError(
                f'{name}: the label is {_size(labels.shape)} (height x width), but its image '
                f'{results.get("img_path")} is {_size(image.shape)}'
            )
        self._check_ids(labels, name)
        return results

    def _check_ids(self, labels: np.ndarray, name: str) -> None:
        wrong = labels[(labels >= self.num_classes) & (labels != IGNORE)]
        if self.num_classes and wrong.size:
            raise UserError(
                f'{name}: label {wrong[0]} is none of the {self.num_classes} classes (0 to '
                f'{self.num_classes - 1}) and not {IGNORE}; convert the labels, or name all classes '
                'in metainfo'
            )

    def __repr__(self) -> str:
        return f'{type(self).__name__}(num_classes={self.num_classes})'


def _diagnosis(info: Mapping[str, Any], error: Exception) -> str:
    image, label = info.get('img_path'), info.get('seg_map_path')
    for path, what in ((image, 'image'), (label, 'label')):
        problem = path and what_is_wrong(path, what)
        if problem:
            return problem
    text = ' '.join(str(error).split())[:300]
    return (
        f'{image}: its pipeline failed: {type(error).__name__}: {text}. MMSEG_DA_DEBUG=1 shows the '
        'traceback.'
    )


def what_is_wrong(path: str | Path, what: str) -> str | None:
    """Say why a file cannot be read as an image or a label, if so.

    Args:
        path: A picture on this disk; other addresses and kinds of files pass.
        what: ``image`` or ``label``.

    Returns:
        The message, which names the file; ``None`` if there is nothing to say.
    """
    if '://' in str(path) or Path(path).suffix.lower() not in _PICTURES:
        return None
    if not Path(path).exists():
        return f'{path}: no such {what}'
    if not Path(path).is_file():
        return f'{path}: is a folder, no {what}'
    try:
        with Image.open(path) as picture:
            picture.load()
            wide = what == 'label' and picture.mode in _WIDE and np.asarray(picture).max() > IGNORE
    except PermissionError:
        return f'{path}: no permission to read this {what}'
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError and its own
        if isinstance(error, UnidentifiedImageError) and Path(path).read_bytes()[:4] in _TIFF:
            return None  # of channels or numbers that Pillow does not know
        return f'{path}: is no {what}, or is damaged, e.g. by a copy that was cut short'
    if wide:
        return f'{path}: the label has ids above {IGNORE} (16 bits or more); labels have 8 bits'
    return None


def _size(shape: tuple[int, ...]) -> str:
    return ' x '.join(map(str, shape[:2]))
