"""Draws the places behind a person. What lies on the desk before them is drawn in `things`.

Every place is one small function of a canvas and a random generator, with the words that name it. Places
say something about the mood of whoever is in them, but only something: which mood meets which place, and
how often, is decided in `moods`. Drawn once per clip, so clarity was preferred to speed.
"""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
from numpy.random import Generator

from harness.miniature.canvas import Canvas, Draw, entered
from harness.miniature.face import Picture

PLACES: dict[str, tuple[str, Draw]] = {}
_place = partial(entered, PLACES)


def scenery(name: str, width: int, height: int, rng: Generator) -> Picture:
    """The named place, as it looks this time."""
    canvas = Canvas(width, height, rng)
    PLACES[name][1](canvas, rng)
    if rng.random() < 0.5:
        canvas.pixels = canvas.pixels[:, ::-1].copy()
    return cv2.GaussianBlur(canvas.pixels, (3, 3), 0).astype(np.uint8)


# ---------------------------------------------------------------- places: streets and nature


@_place("in a street full of cars")
def street(c: Canvas, rng: Generator) -> None:
    c.fade((150, 160, 172), (176, 170, 164), 0, 0.5)
    c.fade((96, 96, 100), (70, 70, 74), 0.5, 1)
    for x in (0.0, 0.22, 0.7, 0.88):
        c.box(x, rng.uniform(0.02, 0.2), x + 0.17, 0.5, (120, 104, 96))
    for x in (0.02, 0.3, 0.64):
        c.box(x, 0.5, x + 0.3, 0.66, (188, 40, 36))
        c.box(x + 0.06, 0.42, x + 0.22, 0.52, (150, 180, 200))
        c.disc(x + 0.07, 0.67, 0.045, (24, 24, 26))
        c.disc(x + 0.23, 0.67, 0.045, (24, 24, 26))
    c.box(0.86, 0.08, 0.93, 0.36, (30, 30, 30))
    c.disc(0.895, 0.14, 0.04, (240, 40, 30))


@_place("in an alley with rubbish bags")
def alley(c: Canvas, rng: Generator) -> None:
    c.fade((112, 84, 70), (92, 70, 60), 0, 0.66)
    c.fade((92, 94, 82), (66, 68, 60), 0.66, 1)
    for row in np.arange(0.06, 0.66, 0.09):
        c.line(0, row, 1, row, (78, 58, 50))
    c.box(0.02, 0.34, 0.2, 0.82, (72, 116, 64))
    c.box(0.0, 0.3, 0.22, 0.35, (54, 92, 50))
    for x in (0.26, 0.68, 0.8, 0.93):
        c.disc(x, rng.uniform(0.66, 0.76), rng.uniform(0.09, 0.14), (46, 54, 40))
    for _ in range(7):
        c.disc(rng.random(), rng.uniform(0.55, 0.95), 0.018, (150, 170, 60))


@_place("in a sunny park")
def park(c: Canvas, rng: Generator) -> None:
    c.fade((120, 190, 240), (200, 228, 244), 0, 0.55)
    c.fade((118, 190, 90), (90, 160, 70), 0.55, 1)
    c.disc(0.86, 0.13, 0.09, (255, 226, 90))
    for x in (0.08, 0.3, 0.72, 0.94):
        c.box(x - 0.015, 0.4, x + 0.015, 0.62, (110, 78, 50))
        c.disc(x, 0.36, rng.uniform(0.11, 0.16), (74, 150, 70))
    for _ in range(14):
        c.disc(rng.random(), rng.uniform(0.62, 0.98), 0.016, (250, 150, 190))


@_place("in a graveyard")
def graveyard(c: Canvas, rng: Generator) -> None:
    c.fade((130, 138, 150), (160, 164, 170), 0, 0.55)
    c.fade((88, 100, 84), (66, 78, 66), 0.55, 1)
    for x in (0.06, 0.24, 0.74, 0.92):
        top = rng.uniform(0.42, 0.52)
        c.box(x - 0.06, top, x + 0.06, 0.74, (170, 172, 176))
        c.disc(x, top, 0.08, (170, 172, 176))
        c.box(x - 0.008, top - 0.02, x + 0.008, top + 0.1, (96, 98, 104))
        c.box(x - 0.03, top + 0.015, x + 0.03, top + 0.035, (96, 98, 104))


@_place("by a window with rain")
def rain(c: Canvas, rng: Generator) -> None:
    c.fade((74, 84, 104), (60, 68, 86))
    c.box(0.05, 0.04, 0.95, 0.74, (104, 122, 150))
    for x in (0.05, 0.35, 0.65, 0.95):
        c.box(x - 0.01, 0.04, x + 0.01, 0.74, (50, 56, 70))
    for _ in range(70):
        x, y = rng.random(), rng.uniform(0.02, 0.7)
        c.line(x, y, x - 0.012, y + 0.06, (186, 204, 226))


@_place("in a dark forest at night")
def forest(c: Canvas, rng: Generator) -> None:
    c.fade((18, 24, 44), (30, 40, 52))
    c.disc(0.15, 0.14, 0.07, (226, 226, 200))
    for x in np.linspace(0.02, 0.98, 9) + rng.uniform(-0.04, 0.04, 9):
        width = rng.uniform(0.015, 0.035)
        c.box(x - width, 0, x + width, 1, (10, 14, 18))
        c.line(x, 0.3, x + rng.uniform(-0.12, 0.12), 0.1, (10, 14, 18), 2)


@_place("in a dark corridor")
def corridor(c: Canvas, rng: Generator) -> None:
    c.fade((30, 30, 36), (20, 20, 26))
    left, right = rng.uniform(0.3, 0.4), rng.uniform(0.6, 0.7)
    c.shape([(0, 0), (left, 0.22), (left, 0.6), (0, 1)], (52, 52, 58))
    c.shape([(1, 0), (right, 0.22), (right, 0.6), (1, 1)], (44, 44, 50))
    c.box(left, 0.22, right, 0.6, (12, 12, 16))
    c.shape([(0, 1), (left, 0.6), (right, 0.6), (1, 1)], (34, 32, 34))
    c.shape([(0.44, 0), (0.56, 0), (0.53, 0.1), (0.47, 0.1)], (220, 214, 150))


# ---------------------------------------------------------------- places: company and home


@_place("at a party with balloons")
def party(c: Canvas, rng: Generator) -> None:
    c.fade((252, 226, 190), (244, 200, 170))
    c.people(7, 0.5, 0.07)
    colours = ((236, 70, 80), (70, 150, 236), (250, 200, 60), (110, 200, 110), (200, 110, 220))
    for x in np.linspace(0.05, 0.95, 9):
        y = rng.uniform(0.08, 0.32)
        c.line(x, y, x, y + 0.2, (120, 110, 110))
        c.disc(x, y, 0.075, colours[rng.integers(5)])


@_place("beside a table of gifts")
def gifts(c: Canvas, rng: Generator) -> None:
    c.fade((206, 216, 240), (186, 196, 226))
    c.box(0, 0.6, 1, 1, (150, 104, 72))
    for x in (0.02, 0.2, 0.68, 0.84):
        top = rng.uniform(0.32, 0.46)
        c.box(x, top, x + 0.15, 0.64, ((226, 60, 90), (250, 190, 50), (90, 110, 220))[rng.integers(3)])
        c.box(x + 0.06, top, x + 0.09, 0.64, (252, 246, 236))
        c.disc(x + 0.05, top - 0.02, 0.03, (252, 246, 236))
        c.disc(x + 0.1, top - 0.02, 0.03, (252, 246, 236))


@_place("on a stage under a spotlight")
def stage(c: Canvas, rng: Generator) -> None:
    c.fade((56, 16, 26), (40, 12, 20))
    for x in np.linspace(0, 1, 10):
        c.box(x, 0, x + 0.05, 0.8, (136, 26, 40))
    tip = rng.uniform(0.3, 0.7)
    c.shape([(tip - 0.03, 0), (tip + 0.03, 0), (0.86, 0.9), (0.14, 0.9)], (236, 214, 150))
    c.box(0, 0.84, 1, 1, (98, 66, 44))


@_place("in a messy kitchen")
def kitchen(c: Canvas, rng: Generator) -> None:
    c.fade((206, 208, 186), (186, 186, 160))
    for x in (0.0, 0.25, 0.5, 0.75):
        c.box(x + 0.01, 0.02, x + 0.23, 0.24, (166, 176, 140))
    c.box(0, 0.6, 1, 0.68, (120, 110, 96))
    for x in rng.uniform(0.02, 0.95, 6):
        c.box(x, rng.uniform(0.48, 0.56), x + 0.08, 0.6, (150, 160, 70))
    for _ in range(8):
        c.disc(rng.random(), rng.uniform(0.4, 0.58), 0.022, (104, 120, 40))


@_place("in an office")
def office(c: Canvas, rng: Generator) -> None:
    c.fade((216, 220, 222), (198, 202, 206))
    for x in (0.08, 0.62):
        c.box(x, 0.08, x + 0.28, 0.4, (160, 196, 222))
        for y in (0.12, 0.18, 0.24, 0.3):
            c.line(x, y, x + 0.28, y, (230, 234, 238))
    c.box(0, 0.64, 1, 1, (150, 152, 158))
    c.box(rng.uniform(0.7, 0.8), 0.46, 0.95, 0.66, (50, 54, 60))


@_place("in a quiet living room")
def living(c: Canvas, rng: Generator) -> None:
    c.fade((224, 212, 196), (206, 192, 174))
    c.box(0.06, 0.1, 0.06 + rng.uniform(0.18, 0.26), 0.36, (140, 120, 92))
    c.box(0.55, 0.5, 1, 0.9, (126, 112, 104))
    c.box(0.0, 0.82, 1, 1, (160, 130, 100))
    c.shape([(0.82, 0.2), (0.94, 0.2), (0.98, 0.34), (0.78, 0.34)], (240, 222, 170))
    c.line(0.88, 0.34, 0.88, 0.6, (90, 76, 60), 2)


# ---------------------------------------------------------------- places: where one studies


@_place("at a desk with bookshelves")
def study(c: Canvas, rng: Generator) -> None:
    c.fade((188, 170, 148), (170, 150, 128))
    for y in (0.04, 0.28, 0.52):
        c.box(0.03, y + 0.19, 0.97, y + 0.22, (100, 70, 46))
        for x in np.arange(0.04, 0.94, 0.045):
            colour = ((150, 50, 46), (52, 84, 128), (70, 110, 74), (190, 160, 90))[rng.integers(4)]
            c.box(x, y + rng.uniform(0, 0.07), x + 0.036, y + 0.19, colour)


@_place("in a bedroom beside an unmade bed")
def bedroom(c: Canvas, rng: Generator) -> None:
    c.fade((168, 166, 190), (146, 144, 168))
    c.box(0, 0.46, 1, 1, (110, 90, 120))
    c.box(0.02, 0.34, 0.36, 0.56, (236, 234, 238))
    c.box(0.62, 0.34, 0.96, 0.56, (230, 226, 236))
    for _ in range(5):
        x = rng.uniform(0, 0.8)
        c.line(x, rng.uniform(0.6, 0.9), x + 0.25, rng.uniform(0.6, 0.9), (86, 70, 96), 2)


@_place("in front of a television")
def television(c: Canvas, rng: Generator) -> None:
    c.fade((96, 84, 88), (78, 68, 72))
    c.box(0.04, 0.06, 0.96, 0.62, (18, 18, 22))
    glow = ((70, 160, 220), (220, 120, 70), (110, 200, 120))
    for x in (0.06, 0.36, 0.66):
        c.box(x, 0.09, x + 0.28, 0.59, glow[rng.integers(3)])


@_place("in a lit classroom")
def classroom(c: Canvas, rng: Generator) -> None:
    c.fade((222, 214, 190), (206, 196, 170))
    c.box(0.08, 0.05, 0.92, 0.36, (52, 98, 78))
    for _ in range(6):
        x, y = rng.uniform(0.12, 0.7), rng.uniform(0.1, 0.32)
        c.line(x, y, x + rng.uniform(0.06, 0.2), y, (224, 232, 224))
    c.people(6, 0.5, 0.055)


@_place("in a dim lecture hall")
def lecture(c: Canvas, rng: Generator) -> None:
    c.fade((70, 62, 62), (52, 46, 48))
    for y in (0.1, 0.3, 0.5):
        c.box(0, y + 0.12, 1, y + 0.16, (100, 76, 56))
        c.people(int(rng.integers(3, 7)), y, 0.045)


@_place("in a library")
def library(c: Canvas, rng: Generator) -> None:
    study(c, rng)
    c.box(0.44, 0.0, 0.56, 0.75, (204, 192, 170))
    c.disc(0.5, 0.12, 0.06, (250, 236, 170))


@_place("in a room with friends")
def friends(c: Canvas, rng: Generator) -> None:
    c.fade((244, 214, 160), (232, 190, 136))
    c.people(int(rng.integers(4, 6)), 0.36, 0.1)
