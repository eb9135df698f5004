"""A training sample as a picture."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmseg.visualization import SegLocalVisualizer
from torch import Tensor

from mmseg_da.errors import UserError


def to_rgb(inputs: Tensor) -> np.ndarray:
    """The image of a sample, as visualizers take it.

    Args:
        inputs: BGR, 0 to 255, (3, H, W), as ``PackSegInputs`` gives it.

    Returns:
        RGB uint8 (H, W, 3), contiguous: OpenCV draws on nothing else.
    """
    image = inputs.permute(1, 2, 0).numpy()[..., ::-1].clip(0, 255)
    return np.ascontiguousarray(image, dtype=np.uint8)


def draw_sample(
    visualizer: SegLocalVisualizer,
    sample: Mapping[str, Any],
    name: str,
    file: Path | None = None,
    show: bool = False,
    wait_time: float = 0,
) -> None:
    """Draw the labels of a sample over its image, or the image alone where it has none.

    Args:
        visualizer: With ``dataset_meta`` set.
        sample: ``inputs`` and ``data_samples`` of ``PackSegInputs``.
        name: Title of the window.
        file: The picture to write, whole or not at all; its folder is made.
        show: Open a window.
        wait_time: Seconds that the window stays.

    Raises:
        UserError: The picture cannot be written.
    """
    picture = to_rgb(sample['inputs'])
    if 'gt_sem_seg' in sample['data_samples']:
        visualizer.add_datasample(
            name, picture, sample['data_samples'].numpy(), draw_pred=False, show=show,
            wait_time=wait_time,
        )  # fmt: skip
        picture = visualizer.get_image()
    elif show:
        visualizer.show(picture, win_name=name, wait_time=wait_time)
    if file is not None:
        _write(picture, file)


def _write(picture: np.ndarray, file: Path) -> None:
    part = file.with_name(f'.part-{file.name}')
    try:
        written = mmcv.imwrite(mmcv.rgb2bgr(picture), str(part))
        if not written:
            raise OSError('the image writer failed')
        os.replace(part, file)
    except OSError as error:
        raise UserError(f'{file}: cannot write the picture ({error})') from error
    finally:
        part.unlink(missing_ok=True)
