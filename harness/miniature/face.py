"""Draws a person: who they are (skin, hair, shape, glasses) and what their face does at each frame.

Geometry is worked out for all frames of a clip at once in head units (the half height of a head is 1, y
points down) and only rasterised frame by frame; that is what makes thousands of pictures a second possible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from harness.miniature.motion import COLUMN, NAMES, Curves

Points = NDArray[np.float64]  # [frames, points, 2]
Picture = NDArray[np.uint8]  # [height, width, 3], RGB
Colour = tuple[int, int, int]
FRACTION = 4  # binary digits behind the point in OpenCV's fixed-point coordinates

SKINS = ((246, 214, 190), (234, 190, 160), (212, 160, 124), (172, 118, 84), (126, 82, 58), (92, 60, 44))
HAIRS = ((40, 30, 26), (82, 54, 36), (140, 92, 52), (206, 170, 104), (124, 50, 30), (168, 166, 164))
SHIRTS = ((70, 96, 150), (150, 70, 72), (88, 130, 96), (120, 100, 140), (190, 180, 160), (60, 64, 72))
HAIRCUTS = ("short", "long", "bald", "bun", "curls", "fringe")


@dataclass(frozen=True)
class Person:
    """What stays the same from clip to clip. `rest` is their resting face: some look a little cross."""

    skin: Colour
    hair: Colour
    shirt: Colour
    haircut: str
    width: float
    jaw: float
    eye_size: float
    mouth_width: float
    brow_weight: float
    glasses: bool
    beard: bool
    rest: Curves
    expressiveness: float


def meet(number: int) -> Person:
    """The person of that number; the same one each time."""
    rng = np.random.default_rng([number, 77])

    def pick(palette: tuple[Any, ...]) -> Any:
        return palette[rng.integers(len(palette))]

    def tint(colour: Colour) -> Colour:
        r, g, b = np.clip(np.array(colour) + rng.integers(-14, 15, 3), 10, 250).tolist()
        return r, g, b

    rest = 0.11 * rng.standard_normal(len(NAMES))
    rest[[COLUMN["lean"], COLUMN["hand"], COLUMN["nose_wrinkle"]]] = 0
    rest[COLUMN["mouth_open"]] = 0
    return Person(
        skin=tint(pick(SKINS)),
        hair=tint(pick(HAIRS)),
        shirt=tint(pick(SHIRTS)),
        haircut=str(pick(HAIRCUTS)),
        width=rng.uniform(0.68, 0.86),
        jaw=rng.uniform(-0.12, 0.12),
        eye_size=rng.uniform(0.85, 1.15),
        mouth_width=rng.uniform(0.32, 0.42),
        brow_weight=rng.uniform(0.08, 0.13),
        glasses=bool(rng.random() < 0.25),
        beard=bool(rng.random() < 0.2),
        rest=rest,
        expressiveness=rng.uniform(0.7, 1.2),
    )


@dataclass
class Sketch:
    """Shapes in drawing order, in pixels, for all frames; and the boxes that a detector would return."""

    shapes: list[tuple[Points, Colour, float]]  # points, colour, line width (0: filled)
    faces: NDArray[np.int64]  # [frames, 4], not yet clamped to the picture
    bodies: NDArray[np.int64]

    def draw(self, picture: Picture, frame: int) -> None:
        scale = 1 << FRACTION
        for points, colour, width in self.shapes:
            outline = (points[frame] * scale).astype(np.int32)
            if width:
                cv2.polylines(picture, [outline], False, colour, max(1, round(width)), cv2.LINE_AA, shift=FRACTION)
            else:
                cv2.fillPoly(picture, [outline], colour, cv2.LINE_AA, shift=FRACTION)


def sketch(person: Person, curves: Curves, centre: Points, radius: float) -> Sketch:
    """Work out every shape of a clip: `centre` [frames, 2] is where the head is, `radius` its half height."""
    return _Drawing(person, curves, centre, radius).finish()


class _Drawing:
    """Collects shapes; head shapes turn with the head, body shapes only follow it."""

    def __init__(self, person: Person, curves: Curves, centre: Points, radius: float) -> None:
        self.who = person
        self.frames = len(curves)
        self.p = {name: curves[:, i : i + 1] for i, name in enumerate(NAMES)}
        self.unit = radius
        self.radius = radius * (1 + 0.14 * np.clip(self.p["lean"], -1, 1.5))
        self.centre = centre
        angle = 0.35 * np.clip(self.p["roll"], -1.2, 1.2)
        self.cos, self.sin = np.cos(angle), np.sin(angle)
        self.shapes: list[tuple[Points, Colour, float]] = []

    # ------------------------------------------------------------ pens

    def head(self, x: Curves, y: Curves, colour: Colour, width: float = 0) -> Points:
        """Add a shape that turns with the head. `x` and `y` broadcast to [frames, points]."""
        x, y = np.broadcast_arrays(x, y + 0.9)  # the head turns about the chin, not about the nose
        px = self.cos * x - self.sin * y
        py = self.sin * x + self.cos * y - 0.9
        return self.body(px, py, colour, width)

    def inner(self, x: Curves, y: Curves, colour: Colour, width: float = 0) -> Points:
        """As `head`, for what sits on the front of it and so shifts when the head turns or nods."""
        turn = 0.3 * np.clip(self.p["yaw"], -1.3, 1.3)
        nod = 0.22 * np.clip(self.p["pitch"], -1.3, 1.3)
        squeeze = 1 - 0.3 * np.abs(turn)
        return self.head(x * squeeze + turn, y + nod, colour, width)

    def body(self, x: Curves, y: Curves, colour: Colour, width: float = 0) -> Points:
        spread = (self.frames, np.broadcast(x, y).shape[-1])
        unit = np.stack([np.broadcast_to(x, spread), np.broadcast_to(y, spread)], -1)
        points = unit * self.radius[:, :, None] + self.centre[:, None]
        self.shapes.append((points, colour, width * self.unit))
        return points

    # ------------------------------------------------------------ the person, back to front

    def finish(self) -> Sketch:
        self._hair_behind()
        shoulders = self._torso()
        skull = self._skull()
        self._hair_before()
        self._eyes()
        self._nose()
        self._mouth()
        self._hand()
        return Sketch(self.shapes, _box(skull), _box(np.concatenate([skull, shoulders], 1)))

    def _hair_behind(self) -> None:
        w, hair = self.who.width, self.who.hair
        if self.who.haircut == "long":
            x, y = _oval(w * 1.22, 1.3, 20)
            self.head(x, np.minimum(y, 1.1) + 0.1, hair)
        elif self.who.haircut == "bun":
            x, y = _oval(0.34, 0.3, 12)
            self.head(x, y - 1.2, hair)

    def _torso(self) -> Points:
        skin = _shade(self.who.skin, 0.82)
        self.body(np.array([-0.3, 0.3, 0.34, -0.34]), np.array([0.6, 0.6, 1.6, 1.6]), skin)
        x = np.array([-0.32, 0.32, 1.0, 1.42, 1.6, -1.6, -1.42, -1.0])
        y = np.array([1.22, 1.22, 1.4, 1.75, 4.2, 4.2, 1.75, 1.4])
        shoulders = self.body(x, y, self.who.shirt)
        self.body(np.array([-0.3, 0.0, 0.3]), np.array([1.2, 1.55, 1.2]), skin)
        return shoulders[:, :8]

    def _skull(self) -> Points:
        w, skin = self.who.width, self.who.skin
        turn = 0.12 * self.p["yaw"]
        for side in (-1, 1):
            x, y = _oval(0.13, 0.2, 8)
            self.head(x + side * w - turn, y + 0.02, _shade(skin, 0.9))
        x, y = _oval(w, 1.0, 24)
        chin = x * (1 - (0.16 - self.who.jaw) * np.clip(y, 0, 1))
        skull = self.head(chin, y, skin)
        shadow = np.clip(x, -1, 1) * np.where(x > 0, 1.0, -0.72)  # a crescent on the side away from the light
        self.head(np.where(x > 0, chin, -shadow), y, _shade(skin, 0.93))
        if self.who.beard:
            low = np.clip(y, 0.32, 1.0)
            self.head(chin * 0.99, low, _mix(self.who.hair, skin, 0.65))
        return skull

    def _hair_before(self) -> None:
        w, hair, cut = self.who.width, self.who.hair, self.who.haircut
        if cut == "bald":
            return
        if cut == "curls":
            for angle in np.linspace(np.pi * 1.02, np.pi * 1.98, 7):
                x, y = _oval(0.27, 0.27, 9)
                self.head(x + 0.95 * w * np.cos(angle), y + 0.85 * np.sin(angle), hair)
            return
        line = -0.42 if cut == "fringe" else -0.62
        x, y = _oval(w * 1.06, 1.08, 24)
        dip = line - 0.12 * np.cos(3 * x) * (cut == "short")
        self.head(x, np.minimum(y, dip), hair)

    def _eyes(self) -> None:
        p, size = self.p, self.who.eye_size
        opening = 0.15 * size * np.clip(1 + 0.75 * p["eye_open"], 0.08, 1.75)
        gaze_x, gaze_y = np.clip(p["gaze_x"], -1.2, 1.2), np.clip(p["gaze_y"], -1.2, 1.2)
        for side in (-1, 1):
            x, y = _oval(0.19 * size, 1.0, 12)
            cx = side * 0.34
            self.inner(x + cx, y * opening - 0.12, (250, 248, 244))
            ix, iy = _oval(0.09, 0.1, 10)
            iris_y = np.clip(iy + 0.07 * gaze_y, -opening * 0.95, opening * 0.95)
            self.inner(ix + cx + 0.1 * gaze_x, iris_y - 0.12, (44, 34, 30))
            lid_x = np.linspace(-0.2, 0.2, 7) * size
            lid = -opening * np.sqrt(np.clip(1 - (lid_x / (0.21 * size)) ** 2, 0, 1))
            self.inner(lid_x + cx, lid - 0.12, _shade(self.who.skin, 0.45), 0.045)
            self._brow(side)
            if self.who.glasses:
                gx, gy = _oval(0.27, 0.25, 14)
                self.inner(np.append(gx, gx[0]) + cx, np.append(gy, gy[0]) - 0.1, (50, 50, 60), 0.04)

    def _brow(self, side: int) -> None:
        p = self.p
        x = np.linspace(0.1, 0.56, 6)
        inner_end = np.linspace(1, -0.6, 6)
        height = -0.42 - 0.19 * np.clip(p["brow_raise"], -0.8, 1.3) + 0.24 * p["brow_tilt"] * inner_end
        height = height - 0.17 * side * p["brow_skew"] - 0.05 * np.sin(np.linspace(0, np.pi, 6))
        colour = _mix(self.who.hair, (40, 30, 26), 0.5)
        self.inner(side * (x - 0.03 * p["brow_tilt"]), height, colour, self.who.brow_weight)

    def _nose(self) -> None:
        dark = _shade(self.who.skin, 0.62)
        self.inner(np.array([0.02, 0.1, -0.06]), np.array([-0.05, 0.24, 0.26]), dark, 0.045)
        wrinkle = np.clip(self.p["nose_wrinkle"], 0, 1.2)
        for row in (-0.16, -0.08, 0.0):
            self.inner(np.array([-0.13, 0.0, 0.13]) * wrinkle, np.array([row, row - 0.03, row]), dark, 0.05)
        for side in (-1, 1):  # folds from the nose to the corners of the mouth
            fold_x = side * (0.14 + np.array([0.0, 0.14, 0.2]) * wrinkle)
            self.inner(fold_x, 0.2 + np.array([0.0, 0.1, 0.24]) * wrinkle, dark, 0.06)

    def _mouth(self) -> None:
        p, half = self.p, self.who.mouth_width
        curve = np.clip(p["mouth_curve"], -1.2, 1.2)
        opening = 0.5 * np.clip(p["mouth_open"], 0, 1.2)
        x = np.linspace(-1, 1, 9)
        width = half * (1 + 0.28 * np.clip(curve, 0, 1) - 0.25 * np.clip(p["mouth_open"], 0, 1))
        lip = 0.47 - 0.36 * curve * (x**2 - 0.45) - 0.07 * np.clip(p["nose_wrinkle"], 0, 1) * (1 - x**2)
        lower = lip + opening * (1 - x**2)
        ring_x = np.concatenate([x, x[::-1]]) * width
        self.inner(ring_x, np.concatenate([lip, lower[:, ::-1]], 1), (88, 30, 34))
        teeth = lip + np.minimum(opening * 0.45, 0.1) * (1 - x**2) * (curve > 0.15)
        self.inner(ring_x, np.concatenate([lip, teeth[:, ::-1]], 1), (245, 242, 236))
        colour = _mix((150, 40, 44), self.who.skin, 0.75)
        self.inner(x * width, lip, colour, 0.06)
        self.inner(x * width, lower, colour, 0.075)

    def _hand(self) -> None:
        if self.p["hand"].max() < 0.15:
            return
        rise = 3.2 - 2.2 * np.clip(self.p["hand"], 0, 1)
        skin = _shade(self.who.skin, 0.94)
        self.body(np.array([0.25, 0.65, 1.2, 0.6]), np.array([0.1, 0.0, 2.4, 2.4]) + rise, self.who.shirt)
        x, y = _oval(0.32, 0.28, 12)
        self.body(x + 0.38, y + rise, skin)
        for knuckle in (-0.14, 0.0, 0.14):
            self.body(np.array([0.38, 0.38]) + knuckle, rise + np.array([-0.26, -0.05]), _shade(skin, 0.8), 0.035)


def _oval(rx: float, ry: float, n: int) -> tuple[Curves, Curves]:
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return rx * np.cos(angle), ry * np.sin(angle)


def _shade(colour: Colour, by: float) -> Colour:
    return _mix(colour, (0, 0, 0), by)


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    r, g, b = (round(share * a + (1 - share) * c) for a, c in zip(one, other, strict=True))
    return r, g, b


def _box(points: Points) -> NDArray[np.int64]:
    low, high = np.floor(points.min(1)), np.ceil(points.max(1))
    return np.concatenate([low, high], 1).astype(np.int64)
