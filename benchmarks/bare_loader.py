"""What ``loader.py`` compares: pairs of images read by OpenCV and Pillow alone, and made-up files."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

SOURCE_SCALE, TARGET_SCALE, CROP = (1280, 720), (1024, 512), (512, 512)
GTA_SIZE, CITYSCAPES_SIZE = (1052, 1914), (1024, 2048)  # height and width of the real files


@dataclass(frozen=True)
class Recipe:
    """How images are prepared.

    Attributes:
        cropped: Resized bilinearly by OpenCV, cropped and flipped at random; otherwise resized
            bicubically by Pillow, whole, as ``configs/_base_/datasets/gta2cityscapes.py`` does.
    """

    cropped: bool

    def pipeline(self, domain: str) -> list[dict]:
        """The product's pipeline of this recipe."""
        scale = SOURCE_SCALE if domain == 'source' else TARGET_SCALE
        how = dict() if self.cropped else dict(interpolation='bicubic', backend='pillow')
        steps = [
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='Resize', scale=scale, keep_ratio=False, **how),
            dict(type='RandomCrop', crop_size=CROP),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
        ]
        left_out = set() if self.cropped else {'RandomCrop', 'RandomFlip'}
        left_out |= set() if domain == 'source' else {'LoadAnnotations'}
        return [step for step in steps if step['type'] not in left_out]


RECIPES = dict(whole=Recipe(cropped=False), crop=Recipe(cropped=True))


class BarePairs(Dataset):
    """The same files and the same work in a dozen lines, without mmseg."""

    def __init__(self, root: Path, recipe: Recipe, draws: Sequence[tuple[int, int]]) -> None:
        self.sources = sorted((root / 'gta' / 'images').rglob('*.png'))
        self.targets = sorted((root / 'cityscapes' / 'leftImg8bit' / 'train').rglob('*.png'))
        self.recipe, self.draws = recipe, draws

    def __len__(self) -> int:
        return len(self.draws)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        source, target = (
            files[i]
            for files, i in zip((self.sources, self.targets), self.draws[index], strict=True)
        )
        label_file = source.parents[1] / 'labels' / f'{source.stem}_labelTrainIds.png'
        with Image.open(label_file) as file:
            label = np.asarray(file)
        image, label = self._prepared(cv2.imread(str(source)), label, SOURCE_SCALE)
        other, _ = self._prepared(cv2.imread(str(target)), None, TARGET_SCALE)
        return _pixels(image), torch.from_numpy(label.astype(np.int64)), _pixels(other)

    def _prepared(self, image: np.ndarray, label: np.ndarray | None, scale: tuple[int, int]):
        if not self.recipe.cropped:
            image = np.array(Image.fromarray(image).resize(scale, Image.BICUBIC))
            if label is not None:
                label = np.array(Image.fromarray(label).resize(scale, Image.NEAREST))
            return image, label
        image = cv2.resize(image, scale, interpolation=cv2.INTER_LINEAR)
        if label is not None:
            label = cv2.resize(label, scale, interpolation=cv2.INTER_NEAREST)
        top = random.randint(0, image.shape[0] - CROP[0])
        left = random.randint(0, image.shape[1] - CROP[1])
        window = slice(top, top + CROP[0]), slice(left, left + CROP[1])
        image, label = image[window], None if label is None else label[window]
        if random.random() < 0.5:
            image, label = cv2.flip(image, 1), None if label is None else cv2.flip(label, 1)
        return image, label


def _pixels(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def bare_loader(
    root: Path, recipe: Recipe, draws: Sequence[tuple[int, int]], workers: int
) -> DataLoader:
    """Torch's own loader around :class:`BarePairs`, one pair a batch."""
    pairs = BarePairs(root, recipe, draws)
    return DataLoader(pairs, batch_size=1, num_workers=workers, collate_fn=list)


def make_files(
    root: Path,
    numbers: tuple[int, int],
    sizes: tuple[tuple[int, int], tuple[int, int]],
    variants: int,
    done: Callable[[], object] = lambda: None,
) -> None:
    """Write images in the layouts of GTA5 and Cityscapes.

    Args:
        root: Gets ``gta`` and ``cityscapes``.
        numbers: Of source and target images.
        sizes: (height, width) of source and target images.
        variants: How many different images; the others are copies.
        done: Called after each image.
    """
    rng = np.random.default_rng(0)
    images, labels = root / 'gta' / 'images', root / 'gta' / 'labels'
    city = root / 'cityscapes' / 'leftImg8bit' / 'train' / 'aachen'
    for folder in (images, labels, city):
        folder.mkdir(parents=True)
    sources = [(_png(_scene(rng, sizes[0])), _png(_ids(rng, sizes[0]))) for _ in range(variants)]
    targets = [_png(_scene(rng, sizes[1])) for _ in range(variants)]
    for number in range(numbers[0]):
        image, label = sources[number % variants]
        (images / f'{number + 1:05}.png').write_bytes(image)
        (labels / f'{number + 1:05}_labelTrainIds.png').write_bytes(label)
        done()
    for number in range(numbers[1]):
        name = f'aachen_{number:06}_000019_leftImg8bit.png'
        (city / name).write_bytes(targets[number % variants])
        done()


def _scene(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Coarse patches with a camera's noise, so that a PNG is about as large as a real one."""
    patches = cv2.resize(rng.integers(0, 256, (9, 16, 3), np.uint8), size[::-1])
    noise = rng.normal(0, 4, patches.shape)
    return np.clip(patches + noise, 0, 255).astype(np.uint8)


def _ids(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    coarse = rng.integers(0, 19, (18, 32), np.uint8)
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_NEAREST)


def _png(pixels: np.ndarray) -> bytes:
    return cv2.imencode('.png', pixels)[1].tobytes()
