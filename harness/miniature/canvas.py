"""A picture to draw on: simple shapes in fractions of its size, in colours that vary a little each time.

Only what places and things need; faces are drawn in pixels by `face`, which has speed to think of.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from harness.miniature.face import HAIRS, SHIRTS, SKINS, Colour, Picture


class Canvas:
    """A picture drawn on in fractions of its width and height, with colours that vary a little."""

    def __init__(self, width: int, height: int, rng: Generator) -> None:
        self.pixels: Picture = np.zeros((height, width, 3), np.uint8)
        self.size = np.array([width, height])
        self.rng = rng

    def tint(self, colour: Colour) -> Colour:
        r, g, b = np.clip(np.array(colour) + self.rng.integers(-16, 17, 3), 0, 255).tolist()
        return r, g, b

    def fade(self, top: Colour, bottom: Colour, start: float = 0.0, end: float = 1.0) -> None:
        first, last = round(start * self.size[1]), round(end * self.size[1])
        mix = np.linspace(0, 1, last - first)[:, None]
        rows = (1 - mix) * np.array(self.tint(top)) + mix * np.array(self.tint(bottom))
        self.pixels[first:last] = rows[:, None].astype(np.uint8)

    def box(self, x1: float, y1: float, x2: float, y2: float, colour: Colour) -> None:
        self.shape([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], colour)

    def shape(self, points: list[tuple[float, float]], colour: Colour) -> None:
        corners = (np.array(points) * self.size * 16).astype(np.int32)
        cv2.fillPoly(self.pixels, [corners], self.tint(colour), cv2.LINE_AA, shift=4)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """`radius` in heights of the picture."""
        cx, cy = (np.array([x, y]) * self.size * 16).astype(int).tolist()
        r = int(radius * self.size[1] * 16)
        cv2.circle(self.pixels, (cx, cy), r, self.tint(colour), -1, cv2.LINE_AA, 4)

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: Colour, width: int = 1) -> None:
        a, b = (np.array([[x1, y1], [x2, y2]]) * self.size).astype(int).tolist()
        cv2.line(self.pixels, a, b, self.tint(colour), width, cv2.LINE_AA)

    def people(self, n: int, y: float, size: float) -> None:
        """Small figures without faces in the background."""
        for x in np.linspace(0.06, 0.94, n) + self.rng.uniform(-0.05, 0.05, n):
            shirt, hair, skin = (shades[self.rng.integers(6)] for shades in (SHIRTS, HAIRS, SKINS))
            self.shape([(x - size, y + 3 * size), (x, y + 0.8 * size), (x + size, y + 3 * size)], shirt)
            self.disc(x, y, size, hair)
            self.disc(x, y + 0.35 * size, 0.75 * size, skin)


Draw = Callable[[Canvas, Generator], None]


def entered(table: dict[str, tuple[str, Draw]], words: str) -> Callable[[Draw], Draw]:
    """Enters a drawing in a table by its name, with the words for it."""

    def enter(draw: Draw) -> Draw:
        table[draw.__name__] = (words, draw)
        return draw

    return enter
