"""Images as a training reads them."""

from typing import Any

import numpy as np
from mmcv.transforms import LoadImageFromFile


def image_loader(dataset: Any) -> LoadImageFromFile:
    """What loads the images of a data set: its own, or the usual one where it has another kind."""
    transforms = getattr(getattr(dataset, 'pipeline', None), 'transforms', ())
    own = (each for each in transforms if isinstance(each, LoadImageFromFile))
    return next(own, None) or LoadImageFromFile()


def read_pixels(loader: LoadImageFromFile, file: str) -> np.ndarray:
    """An image as RGB pixels (H, W, 3), uint8, from a loader, which gives BGR.

    A training reads images by OpenCV, unless its loader is told otherwise: turned as their EXIF data
    says, and the upper 8 bits of 16, where Pillow would cut bright pixels off.

    Raises:
        ValueError: It cannot be read; names the file.
    """
    try:
        pixels = np.asarray(loader(dict(img_path=file))['img'])
    except Exception as error:  # whatever a decoder raises, or OpenCV's None leads to
        raise ValueError(f'{file}: cannot be read as an image') from error
    if pixels.ndim == 2 or pixels.shape[2] < 3:
        pixels = np.repeat(pixels.reshape(*pixels.shape[:2], -1)[..., :1], 3, axis=2)
    if pixels.dtype == np.uint16:
        pixels = pixels >> 8
    return np.clip(pixels[..., 2::-1], 0, 255).astype(np.uint8)
