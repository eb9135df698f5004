"""Images of a comparison, as one picture."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

Palette = Sequence[Sequence[int]]
Row = Mapping[str, np.ndarray]

_DPI = 110
_LEGEND_ENTRY = (1.35, 0.2)  # width and height, inches


def paint(labels: np.ndarray, palette: Palette, ignore_index: int = 255) -> np.ndarray:
    """Colours of a label map.

    Args:
        labels: Class indices (H, W), integers.
        palette: RGB 0 to 255 per class.
        ignore_index: Painted black.

    Returns:
        RGB uint8 (H, W, 3).
    """
    colours = np.zeros((256, 3), dtype=np.uint8)
    colours[: len(palette)] = palette
    colours[ignore_index] = 0
    return colours[labels.astype(np.uint8)]


def to_picture(values: Tensor, palette: Palette = ()) -> np.ndarray:
    """An image or a label map of a model, for the eye.

    Args:
        values: Floats (3, H, W), RGB pixels, of which those outside [0, 255] are clipped; or
            integers (H, W), class indices, 255 where ignored. On any device.
        palette: RGB 0 to 255 per class.

    Returns:
        RGB uint8 (H, W, 3).

    Raises:
        ValueError: It is neither of the two.
    """
    if values.is_floating_point() and values.ndim == 3 and len(values) == 3:
        pixels = values.float().nan_to_num().clamp(0, 255).round().byte()
        return np.ascontiguousarray(pixels.permute(1, 2, 0).cpu().numpy())
    if not values.is_floating_point() and values.ndim == 2:
        return paint(values.cpu().numpy(), palette)
    raise ValueError(
        f'neither an image, which is floats (3, H, W), nor a label map, integers (H, W): '
        f'{values.dtype} {tuple(values.shape)}'
    )


def draw_panel(
    rows: Sequence[Row],
    classes: Sequence[str] = (),
    palette: Palette = (),
    names: Sequence[str] = (),
    width: float = 2.6,
) -> np.ndarray:
    """A grid of images with column titles and a legend of classes, as an image.

    Args:
        rows: RGB uint8 images (H, W, 3) by title. Where a row lacks a title, its cell stays empty.
        classes: Names for the legend; none, no legend.
        palette: RGB 0 to 255 per class.
        names: Of the rows, written to their left.
        width: Of a cell, in units of 110 pixels.

    Returns:
        RGB uint8 (H, W, 3).
    """
    canvas = FigureCanvasAgg(_figure(rows, classes, palette, names, width))
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def save_panel(
    rows: Sequence[Row],
    file: str | Path,
    classes: Sequence[str] = (),
    palette: Palette = (),
    names: Sequence[str] = (),
    width: float = 2.6,
) -> None:
    """Write what :func:`draw_panel` draws, whole or not at all.

    Args:
        rows: RGB uint8 images (H, W, 3) by title. Where a row lacks a title, its cell stays empty.
        file: Where to, in any format of matplotlib; its folder is made.
        classes: Names for the legend; none, no legend.
        palette: RGB 0 to 255 per class.
        names: Of the rows, written to their left.
        width: Of a cell, in units of 110 pixels.

    Raises:
        OSError: It cannot be written.
    """
    file = Path(file)
    part = file.with_name(f'.part-{file.name}')
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        _figure(rows, classes, palette, names, width).savefig(part)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def _figure(
    rows: Sequence[Row],
    classes: Sequence[str],
    palette: Palette,
    names: Sequence[str],
    width: float,
) -> Figure:
    titles = list(dict.fromkeys(title for row in rows for title in row))
    heights = [
        width * max(image.shape[0] / image.shape[1] for image in row.values()) for row in rows
    ]
    fitting = max(1, int(width * len(titles) / _LEGEND_ENTRY[0]))
    lines = math.ceil(len(classes) / fitting)
    legend = _LEGEND_ENTRY[1] * (lines + 0.5) if classes else 0.0
    size = (width * len(titles) + 0.3 * bool(names), sum(heights) + 0.3 + legend)
    figure = Figure(figsize=size, dpi=_DPI, layout='constrained')
    grid = dict(height_ratios=heights)
    axes = figure.subplots(len(rows), len(titles), squeeze=False, gridspec_kw=grid)
    for i, row in enumerate(rows):
        for j, title in enumerate(titles):
            _fill(axes[i, j], row.get(title))
            if i == 0:
                axes[i, j].set_title(title, fontsize=10)
        if names:
            axes[i, 0].set_ylabel(names[i], fontsize=10)
    if classes:
        patches = [
            Patch(color=(red / 255, green / 255, blue / 255), label=name)
            for name, (red, green, blue) in zip(classes, palette, strict=True)
        ]
        figure.legend(
            handles=patches,
            loc='outside lower center',
            ncols=math.ceil(len(classes) / lines),
            fontsize=8,
            frameon=False,
        )
    return figure


def _fill(cell: Axes, image: np.ndarray | None) -> None:
    if image is not None:
        cell.imshow(image)
    # Not `set_axis_off`, which would hide the name of the row, too.
    cell.set(xticks=[], yticks=[])
    cell.spines[:].set_visible(False)
