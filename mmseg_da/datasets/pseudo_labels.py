"""Pseudo labels on disk: where each lies, how it is written, and reading it in a pipeline."""

import os
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.dataset import BaseDataset
from PIL import Image

from mmseg_da.datasets.label_files import read_indices
from mmseg_da.datasets.outputs import write_atomically
from mmseg_da.datasets.pictures import output_names
from mmseg_da.errors import UserError
from mmseg_da.registry import TRANSFORMS

_MOVING = ('Random', 'Flip', 'Crop', 'Rotat', 'Mosaic', 'Affine')


def label_names(images: Iterable[str]) -> dict[str, Path]:
    """The file of each image's label, relative to the folder of labels.

    It is the image's path below the folder that holds all images, with the suffix ``.png``, so that
    images and labels may be moved.

    Args:
        images: Paths of the images.

    Raises:
        UserError: There is none, or two would have one label.
    """
    images = list(images)
    if not images:
        raise UserError('there is no image to label')
    above = os.path.commonpath([os.path.dirname(os.path.abspath(each)) for each in images])
    below = {each: Path(os.path.relpath(os.path.abspath(each), above)) for each in images}
    names = output_names(below.values(), '.png')
    return {image: names[path] for image, path in below.items()}


def find_label(folder: Path, image: str) -> Path | None:
    """The label of an image, see :func:`label_names`: the one that shares most of its path."""
    parts = Path(os.path.abspath(image)).with_suffix('.png').parts[1:]
    candidates = (folder.joinpath(*parts[start:]) for start in range(len(parts)))
    return next((path for path in candidates if path.is_file()), None)


def root_of(folder: Path, images: Sequence[str]) -> Path:
    """The folder of images below which each lies as its label does below ``folder``.

    Raises:
        UserError: There is none, for an image has no label; names it.
    """
    labels = {path.relative_to(folder) for path in folder.rglob('*.png')}
    paths = [Path(os.path.abspath(image)) for image in images]
    common = Path(os.path.commonpath([path.parent for path in paths]))
    found: list[tuple[int, Path, Path]] = []
    for root in (common, *common.parents):
        missing = [p for p in paths if p.relative_to(root).with_suffix('.png') not in labels]
        if not missing:
            return root
        found.append((len(missing), root, missing[0]))
    raise _no_label(min(found, key=lambda each: each[0])[-1], folder)


def _no_label(image: str | Path, folder: Path) -> UserError:
    return UserError(
        f'{image}: has no pseudo label in {folder}. They were made of other images: make them anew'
    )


def write_label(path: Path, labels: np.ndarray, palette: Sequence[Sequence[int]] | None) -> None:
    """Write classes or 255 (H, W), uint8, as a PNG that shows colours where a palette is given."""
    picture = Image.fromarray(labels)
    if palette:
        colours = [channel for colour in palette for channel in colour]
        picture.putpalette(colours + [0] * (768 - len(colours)))
    _write(path, picture)


def write_prediction(path: Path, labels: np.ndarray, bins: np.ndarray) -> None:
    """Write classes (H, W) below 256 and 16-bit confidences (H, W) as one PNG of three channels."""
    channels = (labels, bins >> 8, bins & 255)
    _write(path, Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8)), compress_level=1)


def read_prediction(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """What :func:`write_prediction` wrote: classes, uint8, and confidences, int32, both (H, W).

    Raises:
        UserError: The file is missing or damaged.
    """
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture)
        return pixels[..., 0], pixels[..., 1].astype(np.int32) << 8 | pixels[..., 2]
    except Exception as error:  # a broken PNG raises anything from OSError to struct.error
        raise UserError(
            f'{path}: is missing or damaged ({error}): remove {path.parent.parent} and label anew'
        ) from error


def _write(path: Path, picture: Image.Image, **settings: int) -> None:
    content = BytesIO()
    picture.save(content, 'PNG', **settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content.getvalue())


def loads_pseudo_labels(transforms: Iterable) -> bool:
    """Whether a pipeline loads pseudo labels, before anything moves the pixels of its images.

    Args:
        transforms: All transforms in order, those inside of wrappers included.

    Raises:
        UserError: It flips, crops or turns images before: their labels would not follow.
    """
    names = []
    for transform in transforms:
        if isinstance(transform, LoadPseudoLabels):
            moving = [name for name in names if any(word in name for word in _MOVING)]
            if moving:
                raise UserError(
                    f'target dataset: its pipeline has {moving[0]} before LoadPseudoLabels, whose labels '
                    'would not follow the image: load them right after the image, or after its Resize'
                )
            return True
        names.append(type(transform).__name__)
    return False


def match_labels(datasets: Sequence[BaseDataset], pipelines: Sequence[Iterable]) -> None:
    """Tie pseudo labels to the images of their datasets.

    Args:
        datasets: Of the target; those with pseudo labels read their list, if they have not yet.
        pipelines: All transforms of each.

    Raises:
        UserError: An image has no label, or two datasets would share one.
    """
    owners: dict[Path, str] = {}
    for dataset, transforms in zip(datasets, pipelines, strict=True):
        own = [each for each in transforms if isinstance(each, LoadPseudoLabels)]
        if not own:
            continue
        dataset.full_init()
        images = [str(dataset.get_data_info(i)['img_path']) for i in range(len(dataset))]
        for loader in own:
            loader.belong_to(images)
            for image in images:
                owner = owners.setdefault(loader.label_of(image), image)
                if os.path.abspath(owner) != os.path.abspath(image):
                    raise UserError(
                        f'{image} and {owner} would both have the pseudo label of the latter in '
                        f'{loader.folder}: make labels of all images of the target at once'
                    )


@TRANSFORMS.register_module()
class LoadPseudoLabels(BaseTransform):
    """Loads what a segmentor has said about a target image, as its label.

    For the target pipelines of :class:`~mmseg_da.datasets.SourceTargetDataset`, whose data samples
    then hold ``pseudo_sem_seg``, never ``gt_sem_seg``: classes (1, H, W), 255 where nothing is to be
    learned. Transforms after it treat the labels as any others; none before it may flip or crop. Labels
    must have the size that the image has at this place of the pipeline.

    Args:
        folder: Folder of the labels, as a stage of ``kind='pseudo_labels'`` or
            ``tools/make_pseudo_labels.py`` writes them.

    Raises:
        UserError: There is no such folder; while loading, an image has no label, or one that is
            damaged or of another size.

    Attributes:
        root: Below it images lie as labels do below ``folder``; ``None`` until :meth:`belong_to`.
    """

    root: Path | None = None

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise UserError(
                f'{folder}: no such folder of pseudo labels. tools/make_pseudo_labels.py writes one'
            )

    def belong_to(self, images: Sequence[str]) -> None:
        """Match labels by their whole path below one folder, which all images of a dataset tell.

        Raises:
            UserError: One of them has no label.
        """
        self.root = root_of(self.folder, images)

    def label_of(self, image: str) -> Path | None:
        """The label of an image, if it has one: without known images, that of the likest path."""
        if self.root is None:
            return find_label(self.folder, image)
        below = os.path.relpath(os.path.abspath(image), self.root)
        path = (self.folder / below).with_suffix('.png')
        return path if path.is_file() else None

    def transform(self, results: dict) -> dict:
        """Add ``gt_seg_map``, which the dataset renames when the sample is packed."""
        path = self.label_of(results['img_path'])
        if path is None:
            raise _no_label(results['img_path'], self.folder)
        try:
            labels = read_indices(path)
        except ValueError as error:
            raise UserError(f'{path}: the pseudo label {error}. Make it anew') from error
        if 'img' in results and labels.shape != results['img'].shape[:2]:
            ours, theirs = (
                ' x '.join(map(str, each)) for each in (labels.shape, results['img'].shape[:2])
            )
            raise UserError(
                f'{path}: the pseudo label is {ours} (height x width), but here the image is {theirs}. '
                'Load it where the image has its size, before or after the pipeline resizes, or make '
                "the labels with size='input' or size='original'"
            )
        results['gt_seg_map'], results['seg_map_path'] = labels, str(path)
        results.setdefault('seg_fields', []).append('gt_seg_map')
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(folder={str(self.folder)!r})'
