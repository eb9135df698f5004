"""Images of a comparison, as one picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

Palette = Sequence[Sequence[int]]


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


def save_panel(
    rows: Sequence[Mapping[str, np.ndarray]],
    file: str | Path,
    classes: Sequence[str] = (),
    palette: Palette = (),
) -> None:
    """Write a grid of images, one row per sample, with column titles and a legend of classes.

    Args:
        rows: RGB uint8 images (H, W, 3) by title; every row has the same titles.
        file: Where to, in any format of matplotlib; its folder is made.
        classes: Names for the legend; none, no legend.
        palette: RGB 0 to 255 per class.
    """
    titles = list(rows[0])
    height, width = rows[0][titles[0]].shape[:2]
    cell = (2.6, 2.6 * height / width)
    legend = 0.5 if classes else 0.0
    size = (cell[0] * len(titles), cell[1] * len(rows) + 0.3 + legend)
    figure = Figure(figsize=size, dpi=110, layout='constrained')
    axes = figure.subplots(len(rows), len(titles), squeeze=False)
    for i, row in enumerate(rows):
        for j, title in enumerate(titles):
            axes[i, j].imshow(row[title])
            axes[i, j].set_axis_off()
            if i == 0:
                axes[i, j].set_title(title, fontsize=10)
    if classes:
        patches = [
            Patch(color=np.array(colour) / 255, label=name)
            for name, colour in zip(classes, palette, strict=True)
        ]
        figure.legend(
            handles=patches, loc='outside lower center', ncols=5, fontsize=8, frameon=False
        )
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)
