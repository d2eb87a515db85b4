"""Draws the things on the desk before a person: one small function each, with the words that name it."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.random import Generator

from harness.miniature.canvas import Canvas, Draw, entered
from harness.miniature.face import Picture

THINGS: dict[str, tuple[str, Draw]] = {}
_thing = partial(entered, THINGS)


def desk(things: tuple[str, ...], width: int, height: int, rng: Generator) -> Picture:
    """A strip of desk with things on it, to be laid over the lower edge of a picture."""
    canvas = Canvas(width, height, rng)
    canvas.fade((168, 126, 84), (132, 94, 60))
    canvas.box(0, 0, 1, 0.06, (104, 74, 48))
    for name in things:
        THINGS[name][1](canvas, rng)
    return canvas.pixels


@_thing("an open notebook")
def notebook(c: Canvas, rng: Generator) -> None:
    x = rng.uniform(0.05, 0.2)
    c.box(x, 0.2, x + 0.3, 0.95, (248, 248, 240))
    for y in np.arange(0.3, 0.9, 0.13):
        c.line(x + 0.03, y, x + 0.27, y, (80, 90, 150))


@_thing("a laptop")
def laptop(c: Canvas, rng: Generator) -> None:
    x = rng.uniform(0.55, 0.66)
    c.box(x, 0.12, x + 0.3, 0.95, (178, 182, 188))
    c.box(x + 0.03, 0.22, x + 0.27, 0.7, (58, 60, 66))


@_thing("a phone in hand")
def phone(c: Canvas, rng: Generator) -> None:
    x = rng.uniform(0.4, 0.55)
    c.box(x, 0.12, x + 0.1, 0.92, (20, 20, 24))
    c.box(x + 0.01, 0.2, x + 0.09, 0.84, (110, 220, 250))


@_thing("a cup of coffee")
def coffee(c: Canvas, rng: Generator) -> None:
    x = rng.uniform(0.76, 0.9)
    c.disc(x, 0.5, 0.36, (242, 238, 230))
    c.disc(x, 0.5, 0.26, (76, 44, 24))


@_thing("scattered papers with question marks")
def papers(c: Canvas, rng: Generator) -> None:
    for x in (0.05, 0.24, 0.5, 0.7):
        y = rng.uniform(0.1, 0.3)
        c.shape([(x, y), (x + 0.18, y + 0.1), (x + 0.14, y + 0.7), (x - 0.03, y + 0.6)], (236, 232, 214))
        c.disc(x + 0.07, y + 0.3, 0.1, (200, 60, 50))


@_thing("snacks")
def snacks(c: Canvas, rng: Generator) -> None:
    x = rng.uniform(0.1, 0.3)
    c.disc(x, 0.55, 0.42, (214, 70, 50))
    for _ in range(8):
        c.disc(x + rng.uniform(-0.06, 0.06), rng.uniform(0.3, 0.7), 0.08, (244, 206, 96))
