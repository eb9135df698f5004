"""Drawn street scenes of two domains: a sunny game, and a hazy street seen by a real camera.

Both share the layout of a street and the shapes of things; light, colours, texture, haze, noise,
how much of what stands there, and the camera differ.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from mmseg_da.testing.toy_canvas import (
    BUILDING,
    CAR,
    HEIGHT,
    PERSON,
    ROAD,
    SCALE,
    SIDEWALK,
    SKY,
    TERRAIN,
    TREE,
    WIDTH,
    Canvas,
    Style,
)
from mmseg_da.testing.toy_street import draw_street

GAME = Style(
    colours={
        'sky': [(92, 158, 232), (112, 176, 240)],
        'haze': [(196, 214, 236)],
        'road': [(142, 137, 130), (128, 126, 122)],
        'line': [(244, 240, 226)],
        'walk': [(206, 192, 166), (196, 184, 164)],
        'terrain': [(158, 186, 84), (176, 178, 96)],
        'wall': [
            (236, 218, 182),
            (228, 188, 158),
            (214, 206, 196),
            (240, 228, 206),
            (190, 168, 150),
        ],
        'window': [(84, 112, 146), (66, 90, 120)],
        'leaf': [(66, 148, 48), (88, 166, 56), (52, 126, 52)],
        'trunk': [(128, 92, 60)],
        'pole': [(74, 78, 82)],
        'sign': [(222, 40, 36), (28, 92, 204), (246, 206, 40)],
        'skin': [(226, 176, 142), (152, 104, 76)],
        'cloth': [(230, 66, 60), (250, 250, 246), (50, 90, 200), (246, 190, 50), (60, 60, 66)],
        'car': [(216, 36, 34), (246, 246, 246), (34, 84, 196), (244, 196, 36), (30, 32, 36)],
        'glass': [(58, 78, 100)],
    },
    texture={
        ROAD: (3, 2),
        SIDEWALK: (3, 3),
        BUILDING: (2, 2),
        TREE: (9, 7),
        TERRAIN: (6, 5),
        SKY: (3, 0),
    },
    road=(78, 100),
    walk=(32, 46),
    horizon=(0.44, 0.52),
    built=0.52,
    storeys=(1.6, 3.6),
    counts={'car': (2, 4), 'person': (1, 4), 'pole': (3, 5), 'tree': (2, 5)},
    side_light=1.16,
    shadow=0.45,
    haze=0.18,
    gain=(1.05, 1.0, 0.93),
    contrast=(1.08, 1.2),
    exposure=(0.94, 1.08),
    blur=0.0,
    noise=1.5,
    vignette=0.0,
)

CAMERA = Style(
    colours={
        'sky': [(206, 210, 212), (188, 196, 204), (222, 220, 212)],
        'haze': [(190, 196, 200)],
        'road': [(84, 88, 98), (98, 98, 104), (74, 80, 90)],
        'line': [(168, 168, 164)],
        'walk': [(134, 118, 116), (122, 118, 122), (146, 128, 116)],
        'terrain': [(106, 104, 70), (92, 98, 66)],
        'wall': [(134, 84, 70), (112, 98, 90), (154, 136, 112), (96, 92, 98), (148, 104, 84)],
        'window': [(44, 48, 56), (182, 186, 186)],
        'leaf': [(52, 64, 44), (70, 70, 42), (88, 76, 46), (44, 58, 48)],
        'trunk': [(52, 44, 40)],
        'pole': [(112, 116, 118), (140, 142, 142)],
        'sign': [(154, 48, 52), (52, 80, 130), (196, 192, 180)],
        'skin': [(176, 142, 124), (120, 88, 74)],
        'cloth': [(40, 42, 50), (62, 58, 74), (96, 50, 52), (56, 74, 92), (120, 116, 108)],
        'car': [(40, 44, 52), (150, 154, 158), (96, 102, 110), (72, 40, 44), (44, 60, 88)],
        'glass': [(30, 34, 40), (104, 112, 118)],
    },
    texture={
        ROAD: (7, 7),
        SIDEWALK: (5, 10),
        BUILDING: (7, 6),
        TREE: (14, 14),
        TERRAIN: (10, 9),
        SKY: (7, 1),
        CAR: (4, 2),
        PERSON: (4, 4),
    },
    road=(62, 80),
    walk=(28, 42),
    horizon=(0.38, 0.46),
    built=0.68,
    storeys=(2.2, 4.6),
    counts={'car': (3, 6), 'person': (2, 6), 'pole': (3, 6), 'tree': (2, 6)},
    side_light=1.03,
    shadow=0.18,
    haze=0.55,
    gain=(0.95, 1.0, 1.04),
    contrast=(0.78, 0.92),
    exposure=(1.0, 1.22),
    blur=0.7,
    noise=5.0,
    vignette=0.28,
    bonnet=True,
)


def render(style: Style, seed: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Draw one scene.

    Args:
        seed: Numbers that decide everything in it.

    Returns:
        Image, RGB, uint8, (96, 192, 3), and its Cityscapes label ids, uint8, (96, 192).
    """
    rng = np.random.default_rng(seed)
    canvas = Canvas()
    draw_street(canvas, style, rng)
    _add_texture(canvas, style, rng)
    _add_haze(canvas, style)
    image = _expose(canvas.image, style, rng)
    return image, canvas.ids[SCALE // 2 :: SCALE, SCALE // 2 :: SCALE].copy()


def _cloud(rng: np.random.Generator, shape: tuple[int, int], grain: int) -> np.ndarray:
    """Smooth noise of about unit variance whose spots are ``grain`` pixels wide."""
    small = rng.standard_normal((shape[0] // grain + 2, shape[1] // grain + 2), np.float32)
    large = cv2.resize(small, None, fx=grain, fy=grain, interpolation=cv2.INTER_CUBIC)
    return large[: shape[0], : shape[1]]


def _add_texture(canvas: Canvas, style: Style, rng: np.random.Generator) -> None:
    coarse, fine = _cloud(rng, canvas.shape, 16), _cloud(rng, canvas.shape, 3)
    amplitude = np.zeros((2, 256), np.float32)
    for label, pair in style.texture.items():
        amplitude[:, label] = pair
    relief = amplitude[0][canvas.ids] * coarse + amplitude[1][canvas.ids] * fine
    canvas.image += relief[..., None]


def _add_haze(canvas: Canvas, style: Style) -> None:
    share = style.haze * np.exp(-4 * canvas.near)
    share[canvas.ids == SKY] = 0
    colour = np.float32(style.colours['haze'][0])
    canvas.image += share[..., None] * (colour - canvas.image)


def _expose(image: np.ndarray, style: Style, rng: np.random.Generator) -> np.ndarray:
    """Turn the drawn scene into what the domain's camera records, uint8, (96, 192, 3)."""
    small = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    if style.blur:
        small = cv2.GaussianBlur(small, (0, 0), style.blur)
    small = 118 + rng.uniform(*style.contrast) * (small - 118)
    small *= rng.uniform(*style.exposure) * np.float32(style.gain)
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j].astype(np.float32)
    small *= (1 - style.vignette * (x * x + y * y) / 2)[..., None]
    small += style.noise * rng.standard_normal(small.shape, np.float32)
    return np.clip(np.round(small), 0, 255).astype(np.uint8)
