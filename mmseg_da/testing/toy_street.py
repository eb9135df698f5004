"""The things of a toy street scene and where they stand."""

from dataclasses import dataclass

import numpy as np

from mmseg_da.testing.toy_canvas import (
    BUILDING,
    CAR,
    EGO,
    HEIGHT,
    PERSON,
    POLE,
    ROAD,
    SIDEWALK,
    SIGN,
    SKY,
    TERRAIN,
    TREE,
    WIDTH,
    Canvas,
    Style,
)


@dataclass
class Street:
    """A straight street in perspective.

    A place is (lateral, near): pixels from the middle of the street at the bottom row, and 1 at the
    bottom row down to 0 at the horizon. Everything shrinks with ``near``.
    """

    canvas: Canvas
    style: Style
    rng: np.random.Generator
    vanish: float  # column of the vanishing point
    horizon: float  # its row
    road: float  # half width of the road
    walk: float  # outer border of the sidewalks

    def x(self, lateral: float, near: float) -> float:
        """Column of a place."""
        return self.vanish + lateral * near

    def y(self, near: float) -> float:
        """Row of the ground."""
        return self.horizon + self.eye * near

    @property
    def eye(self) -> float:
        """Height of the camera above the ground, in pixels at the bottom row."""
        return HEIGHT - self.horizon

    def colour(self, name: str, spread: float = 8, shade: float = 1) -> np.ndarray:
        """One of the domain's colours for this kind of thing, somewhat varied; 0..255, (3,)."""
        choices = self.style.colours[name]
        colour = np.float32(choices[self.rng.integers(len(choices))])
        return (colour + self.rng.normal(0, spread / 2) + self.rng.normal(0, spread / 3, 3)) * shade

    def count(self, name: str) -> int:
        """How many of these stand in the scene."""
        low, high = self.style.counts[name]
        return int(self.rng.integers(low, high + 1))


def draw_street(canvas: Canvas, style: Style, rng: np.random.Generator) -> None:
    """Draw a whole scene, far things first."""
    road = rng.uniform(*style.road)
    street = Street(
        canvas,
        style,
        rng,
        vanish=WIDTH * rng.uniform(0.4, 0.6),
        horizon=HEIGHT * rng.uniform(*style.horizon),
        road=road,
        walk=road + rng.uniform(*style.walk),
    )
    _draw_sky(street)
    _draw_ground(street)
    _draw_skyline(street)
    things = [thing for side in (-1, 1) for thing in _plots(street, side)]
    things += _street_things(street)
    for _, draw, place in sorted(things, key=lambda thing: thing[0]):
        draw(street, *place)
    if style.bonnet:
        middle = WIDTH * rng.uniform(0.47, 0.53)
        canvas.disc(middle, HEIGHT + 6, WIDTH * 0.52, 13, street.colour('car'), EGO, 1)


def _draw_sky(street: Street) -> None:
    top, bottom = street.colour('sky'), street.colour('haze')
    rows = street.canvas.shape[0]
    share = np.linspace(0, HEIGHT / street.horizon, rows, dtype=np.float32)[:, None, None]
    street.canvas.image[:] = top + np.clip(share, 0, 1) ** 2 * 0.7 * (bottom - top)
    street.canvas.ids[:] = SKY


def _draw_ground(street: Street) -> None:
    canvas, far = street.canvas, 0.0
    canvas.box(0, street.horizon, WIDTH, HEIGHT, street.colour('terrain'), TERRAIN)
    for half, name, label in ((street.walk, 'walk', SIDEWALK), (street.road, 'road', ROAD)):
        corners = [(-half, far), (half, far), (half, 1.1), (-half, 1.1)]
        canvas.polygon(
            [(street.x(x, n), street.y(n)) for x, n in corners], street.colour(name), label
        )
    line = street.colour('line')
    lines = [(0.0, near, near * 1.35) for near in (0.07, 0.13, 0.24, 0.43, 0.78)]
    lines += [(side * street.road * 0.93, 0.02, 1.1) for side in (-1, 1)]
    for middle, start, end in lines:
        corners = [(middle - 2, start), (middle + 2, start), (middle + 2, end), (middle - 2, end)]
        canvas.polygon([(street.x(x, n), street.y(n)) for x, n in corners], line)
    rows = np.linspace(0, HEIGHT, canvas.shape[0], dtype=np.float32)
    canvas.near[:] = np.clip((rows - street.horizon) / street.eye, 0, 1)[:, None]


def _draw_skyline(street: Street) -> None:
    left = -4.0
    while left < WIDTH:
        width, height = street.rng.uniform(8, 26), street.rng.uniform(3, 10)
        kind = ('wall', BUILDING) if street.rng.random() < street.style.built else ('leaf', TREE)
        box = (left, street.horizon - height, left + width, street.horizon + 1)
        street.canvas.box(*box, street.colour(kind[0]), kind[1], 0.05)
        left += width


def _plots(street: Street, side: int) -> list:
    """Buildings and gardens along one side: (near, function, its arguments) of each."""
    plots, far = [], 0.1
    while far < 1.6:
        near = far * street.rng.uniform(1.35, 1.9)
        if street.rng.random() < street.style.built:
            plots.append((far, _draw_building, (side, far, near)))
        else:
            lateral = side * street.walk * street.rng.uniform(1.1, 1.35)
            plots.append((far, _draw_tree, (lateral, far * 1.15)))
        far = near
    return plots


def _draw_building(street: Street, side: int, far: float, near: float) -> None:
    canvas, rng = street.canvas, street.rng
    height = street.eye * rng.uniform(*street.style.storeys)
    light = street.style.side_light if side < 0 else 1 / street.style.side_light
    wall, window = street.colour('wall', shade=light), street.colour('window')
    border = side * street.walk
    _front(street, border, near, height, wall * 0.86)

    def spot(along: float, up: float) -> tuple[float, float]:
        depth = far * (near / far) ** along
        return street.x(border, depth), street.y(depth) - up * height * depth

    canvas.polygon([spot(0, 0), spot(1, 0), spot(1, 1), spot(0, 1)], wall, BUILDING, far)
    columns, rows = int(rng.integers(2, 5)), int(rng.integers(2, 5))
    for column in range(columns):
        left, right = (column + 0.25) / columns, (column + 0.75) / columns
        for row in range(rows):
            low, high = (row + 0.35) / rows, (row + 0.8) / rows
            corners = [spot(left, low), spot(right, low), spot(right, high), spot(left, high)]
            canvas.polygon(corners, window)


def _front(street: Street, border: float, near: float, height: float, wall: np.ndarray) -> None:
    """The wall that faces the camera, seen where the nearer plot is a garden."""
    outer = border * 4
    corners = [(border, 0), (outer, 0), (outer, height), (border, height)]
    points = [(street.x(x, near), street.y(near) - up * near) for x, up in corners]
    street.canvas.polygon(points, wall, BUILDING, near)


def _draw_tree(street: Street, lateral: float, near: float) -> None:
    canvas, rng = street.canvas, street.rng
    x, ground = street.x(lateral, near), street.y(near)
    height = street.eye * near * rng.uniform(1.7, 2.6)
    radius = height * rng.uniform(0.24, 0.34)
    thick = max(0.8, 3.5 * near)
    canvas.box(x - thick, ground - height, x + thick, ground, street.colour('trunk'), TREE, near)
    leaf = street.colour('leaf')
    for _ in range(7):
        dx, dy = rng.normal(0, 0.45, 2) * radius
        shade = leaf * (1 - 0.25 * dy / radius)  # lighter on top
        size = radius * rng.uniform(0.5, 0.8)
        canvas.disc(x + dx, ground - height + dy, size, size * 0.9, shade, TREE, near)


def _street_things(street: Street) -> list:
    """Cars, persons, poles and trees: (near, function, its arguments) of each."""
    rng, things = street.rng, []

    def add(name: str, draw, low: float, high: float, inner: float, outer: float) -> None:
        for _ in range(street.count(name)):
            near, side = low * (high / low) ** rng.random(), rng.choice((-1, 1))
            things.append((near, draw, (side * rng.uniform(inner, outer), near)))

    road, walk = street.road, street.walk
    add('car', _draw_car, 0.16, 0.8, 0.35 * road, 0.85 * road)
    add('person', _draw_person, 0.25, 0.75, road + 6, walk - 6)
    add('pole', _draw_pole, 0.22, 0.8, road + 5, road + 9)
    add('tree', _draw_tree, 0.2, 0.7, walk - 8, walk)
    return things


def _draw_car(street: Street, lateral: float, near: float) -> None:
    canvas = street.canvas
    x, ground, unit = street.x(lateral, near), street.y(near), street.eye * near
    half, height = 0.68 * unit, street.rng.uniform(0.95, 1.15) * unit
    body, glass = street.colour('car'), street.colour('glass')
    dark = street.colour('road') * (1 - street.style.shadow)
    canvas.disc(x, ground, half * 1.15, 0.1 * unit, dark)
    for side in (-1, 1):
        wheel = x + side * half * 0.75
        canvas.box(
            wheel - 0.13 * unit,
            ground - 0.2 * unit,
            wheel + 0.13 * unit,
            ground,
            (22, 22, 24),
            CAR,
            near,
        )
    waist = ground - 0.56 * height
    canvas.box(x - half, waist, x + half, ground - 0.1 * unit, body, CAR, near)
    roof = [(x - half * 0.94, waist), (x - half * 0.72, ground - height)]
    roof += [(2 * x - px, py) for px, py in reversed(roof)]
    canvas.polygon(roof, body * 0.94, CAR, near)
    canvas.polygon([(x + (px - x) * 0.84, waist + (py - waist) * 0.82) for px, py in roof], glass)
    for side in (-1, 1):
        lamp = x + side * half * 0.8
        canvas.box(
            lamp - 0.1 * unit,
            waist + 0.08 * unit,
            lamp + 0.1 * unit,
            waist + 0.2 * unit,
            (186, 40, 36),
        )


def _draw_person(street: Street, lateral: float, near: float) -> None:
    canvas, rng = street.canvas, street.rng
    x, ground = street.x(lateral, near), street.y(near)
    tall = street.eye * near * rng.uniform(1.1, 1.3)
    half, hip, neck = 0.15 * tall, ground - 0.47 * tall, ground - 0.83 * tall
    legs, shirt = street.colour('cloth', shade=0.8), street.colour('cloth')
    for side in (-1, 1):
        foot = x + side * rng.uniform(0.4, 1.0) * half
        corners = [(x - side * 0.1 * half, hip), (x + side * 0.9 * half, hip)]
        corners += [(foot + 0.4 * half, ground), (foot - 0.4 * half, ground)]
        canvas.polygon(corners, legs, PERSON, near)
    corners = [(x - half, hip), (x - 1.2 * half, neck), (x + 1.2 * half, neck), (x + half, hip)]
    canvas.polygon(corners, shirt, PERSON, near)
    canvas.disc(
        x, ground - 0.9 * tall, 0.09 * tall, 0.11 * tall, street.colour('skin'), PERSON, near
    )


def _draw_pole(street: Street, lateral: float, near: float) -> None:
    canvas, rng = street.canvas, street.rng
    x, ground, unit = street.x(lateral, near), street.y(near), street.eye * near
    top, half = ground - rng.uniform(1.9, 2.6) * unit, max(0.9, 0.06 * unit)
    canvas.box(x - half, top, x + half, ground, street.colour('pole'), POLE, near)
    kind, size = rng.integers(4), max(3.0, 0.3 * unit)
    if kind == 0:  # a lamp
        arm = x - np.sign(lateral) * unit
        canvas.box(
            min(x, arm), top - half, max(x, arm), top + half, street.colour('pole'), POLE, near
        )
        return
    face, y = street.colour('sign'), top + size
    if kind == 1:
        canvas.disc(x, y, size, size, face, SIGN, near)
        canvas.disc(x, y, size * 0.6, size * 0.6, (232, 232, 228))
    elif kind == 2:
        canvas.polygon(
            [(x, y - size), (x + size, y + size), (x - size, y + size)], face, SIGN, near
        )
    else:
        canvas.box(x - size, y - size, x + size, y + size, face, SIGN, near)
