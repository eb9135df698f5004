"""What toy street scenes are drawn on, and what describes a domain's look."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

WIDTH, HEIGHT = 192, 96
SCALE = 2  # drawn at twice the size, then reduced: smooth edges in the image, hard ones in the ids

# Cityscapes label ids of the classes that occur.
EGO, ROAD, SIDEWALK, BUILDING, POLE, SIGN = 1, 7, 8, 11, 17, 20
TREE, TERRAIN, SKY, PERSON, CAR = 21, 22, 23, 24, 26

# Their colours in Cityscapes.
_ID_COLOURS = {
    ROAD: (128, 64, 128),
    SIDEWALK: (244, 35, 232),
    BUILDING: (70, 70, 70),
    POLE: (153, 153, 153),
    SIGN: (220, 220, 0),
    TREE: (107, 142, 35),
    TERRAIN: (152, 251, 152),
    SKY: (70, 130, 180),
    PERSON: (220, 20, 60),
    CAR: (0, 0, 142),
}

Colour = Sequence[float]


@dataclass(frozen=True)
class Style:
    """Look and statistics of a domain; colours are RGB 0..255, lengths in pixels at the bottom row."""

    colours: dict[str, Sequence[Colour]]
    texture: dict[int, tuple[float, float]]  # per id: amplitude of coarse and of fine texture
    road: tuple[float, float]  # half width of the road
    walk: tuple[float, float]  # width of the sidewalk
    horizon: tuple[float, float]  # row, as part of the height
    built: float  # part of the plots that carry a building
    storeys: tuple[float, float]  # height of buildings, in camera heights
    counts: dict[str, tuple[int, int]]
    side_light: float  # brightness of the left facades against the right ones
    shadow: float  # darkness of what lies under a car or a tree
    haze: float  # part of the haze colour at the horizon
    gain: Colour  # of R, G, B
    contrast: tuple[float, float]
    exposure: tuple[float, float]
    blur: float
    noise: float
    vignette: float
    bonnet: bool = False  # own bonnet in view


def id_palette() -> list[int]:
    """Palette of a label image of ids: R, G, B of each id that occurs, black for the others."""
    return [part for label in range(256) for part in _ID_COLOURS.get(label, (0, 0, 0))]


@dataclass
class Canvas:
    """A picture being drawn, far things first, with ids and distances beside the colours.

    Attributes:
        image: RGB 0..255, float32, (2H, 2W, 3).
        ids: Cityscapes label ids, uint8, (2H, 2W).
        near: 1 at the bottom row of the ground, 0 at the horizon, float32, (2H, 2W).
    """

    shape: tuple[int, int] = (HEIGHT * SCALE, WIDTH * SCALE)
    image: np.ndarray = field(init=False)
    ids: np.ndarray = field(init=False)
    near: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.image = np.zeros((*self.shape, 3), np.float32)
        self.ids = np.zeros(self.shape, np.uint8)
        self.near = np.zeros(self.shape, np.float32)

    def polygon(
        self,
        points: Sequence[tuple[float, float]],
        colour: Colour,
        label: int | None = None,
        near: float | None = None,
    ) -> None:
        """Fill a polygon given in pixels of the small image; without label it is only paint."""
        corners = [np.round(np.asarray(points) * SCALE).astype(np.int32)]
        cv2.fillPoly(self.image, corners, [float(c) for c in colour])
        if label is not None:
            cv2.fillPoly(self.ids, corners, label)
        if near is not None:
            cv2.fillPoly(self.near, corners, float(near))

    def box(self, left: float, top: float, right: float, bottom: float, *args) -> None:
        """Fill a rectangle; the rest as in :meth:`polygon`."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], *args)

    def disc(self, x: float, y: float, rx: float, ry: float, *args) -> None:
        """Fill an ellipse; the rest as in :meth:`polygon`."""
        angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        self.polygon(np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], 1), *args)
