"""Films a clip of the rendered world: one person, in one mood, in one place.

A clip is a pure function of its arguments, the seed among them, so a folder can be rendered again to the
byte and every picture of the pretraining can be drawn when it is needed. Which file it becomes is not known
here; see `layouts`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from harness.miniature.face import Picture, Sketch, meet, sketch
from harness.miniature.moods import SETTINGS, Mood, Setting
from harness.miniature.motion import COLUMN, Curves, mirrored, perform
from harness.miniature.scenes import scenery
from harness.miniature.things import desk


@dataclass(frozen=True)
class Footage:
    """What the camera saw, and what a detector and an honest caption would say about it."""

    frames: list[Picture]  # RGB
    faces: NDArray[np.int64]  # [frames, 4]: left, upper, right, lower, inside the picture
    bodies: NDArray[np.int64]
    curves: Curves  # [frames, parameters]: the expression as it was drawn
    place: str
    things: tuple[str, ...]


def film(setting: str, mood: str, *, person: int, seed: int, frames: int, only: Sequence[int] | None = None) -> Footage:
    """Film `frames` frames of `person` in `mood`; with `only`, draw just those frames of the same clip."""
    world = SETTINGS[setting]
    rng = np.random.default_rng([zlib.crc32(f"{setting}/{mood}".encode()), person, seed])
    who = meet(person)
    apex = _apex(world, mood, who.expressiveness, rng)
    curves = who.rest + perform(apex, _draw(world.moods[mood].rhythms, rng), frames, rng)
    place, things = _surroundings(world, world.moods[mood], rng)
    centre, radius = _position(world, frames, rng)
    camera = _Camera(world, place, things, rng)
    shown = list(range(frames) if only is None else only)
    drawing = sketch(who, curves[shown], centre[shown], radius)
    pictures = [camera.take(drawing, i, frame) for i, frame in enumerate(shown)]
    limits = np.array([*world.size, *world.size])
    faces, bodies = np.clip(drawing.faces, 0, limits), np.clip(drawing.bodies, 0, limits)
    return Footage(pictures, faces, bodies, curves[shown], place, things)


def _apex(world: Setting, mood: str, expressiveness: float, rng: Generator) -> Curves:
    """The strongest expression of this clip: weakened, mixed and disturbed, so that classes overlap."""
    apex = world.moods[mood].apex
    if rng.random() < world.mixing:
        neighbour = world.moods[str(rng.choice(world.moods[mood].near))].apex
        apex = apex + rng.uniform(0.2, 0.6) * (neighbour - apex)
    mean, spread = world.strength
    strength = float(np.clip(rng.normal(mean, spread), 0.1, 1.15)) * expressiveness
    if rng.random() < 0.5:  # what goes sideways has no preferred side
        apex = mirrored(apex)
    disturbance = world.noise * rng.standard_normal(apex.shape)
    disturbance[COLUMN["hand"]] = rng.uniform(0.5, 1) * (rng.random() < 0.08)  # anyone may rest their chin
    return strength * apex + disturbance


def _surroundings(world: Setting, mood: Mood, rng: Generator) -> tuple[str, tuple[str, ...]]:
    everywhere = sorted({place for other in world.moods.values() for place in other.places})
    place = str(rng.choice(mood.places if rng.random() < world.loyalty else everywhere))
    things: list[str] = []
    if world.things:
        things = [str(rng.choice(mood.things if rng.random() < world.honesty else world.things))]
        if rng.random() < 0.4:
            things.append(str(rng.choice(world.things)))
    return place, tuple(dict.fromkeys(things))


def _position(world: Setting, frames: int, rng: Generator) -> tuple[NDArray[np.float64], float]:
    """Where the head is at each frame: somewhere in the picture, drifting a little."""
    width, height = world.size
    radius = rng.uniform(*world.head)
    reach = 0.06 if world.centred else 0.17
    x = width * rng.uniform(0.5 - reach, 0.5 + reach)
    y = height * (rng.uniform(0.46, 0.52) if world.centred else rng.uniform(0.38, 0.48))
    drift = np.linspace(0, 1, frames)[:, None] * rng.uniform(-5, 5, 2)
    return np.array([x, y]) + drift, radius


def _draw(weights: Mapping[str, float], rng: Generator) -> str:
    names = list(weights)
    return names[int(rng.choice(len(names), p=list(weights.values())))]


class _Camera:
    """The fixed part of a clip (place, desk, light, lens), laid under and over the person frame by frame."""

    MARGIN = 10

    def __init__(self, world: Setting, place: str, things: tuple[str, ...], rng: Generator) -> None:
        self.width, self.height = world.size
        margin = 2 * self.MARGIN
        self.backdrop = scenery(place, self.width + margin, self.height + margin, rng)
        self.desk = desk(things, self.width, round(0.19 * self.height), rng) if world.things else None
        self.light = self._light(rng)
        self.soft = rng.random() < 0.3
        self.grain = _grain(self.width, self.height)
        self.pan = rng.uniform(-1, 1, 2) * self.MARGIN * 0.05

    def take(self, drawing: Sketch, row: int, frame: int) -> Picture:
        x, y = np.clip(self.MARGIN + self.pan * frame, 0, 2 * self.MARGIN).astype(int)
        picture = self.backdrop[y : y + self.height, x : x + self.width].copy()
        drawing.draw(picture, row)
        if self.desk is not None:
            picture[-len(self.desk) :] = self.desk
        picture = cv2.LUT(picture, self.light).astype(np.uint8, copy=False)
        if self.soft:
            picture = cv2.GaussianBlur(picture, (3, 3), 0).astype(np.uint8, copy=False)
        brighter, darker = self.grain
        sy, sx = frame * 11 % 32, frame * 17 % 32
        window = (slice(sy, sy + self.height), slice(sx, sx + self.width))
        return cv2.subtract(cv2.add(picture, brighter[window]), darker[window]).astype(np.uint8, copy=False)

    @staticmethod
    def _light(rng: Generator) -> NDArray[np.uint8]:
        """A table from drawn to filmed values: exposure, contrast and colour of the light."""
        level = np.arange(256)[:, None] / 255.0
        gamma, gain = rng.uniform(0.75, 1.35), rng.uniform(0.8, 1.1)
        colour = 1 + rng.uniform(-0.09, 0.09, 3)
        table = np.clip(255 * gain * colour * level**gamma, 0, 255)
        return table.astype(np.uint8)[None]


_GRAIN: dict[tuple[int, int], tuple[Picture, Picture]] = {}


def _grain(width: int, height: int) -> tuple[Picture, Picture]:
    """Sensor noise, split into what it adds and what it takes: one bank, seen through a moving window."""
    if (width, height) not in _GRAIN:
        noise = 3.5 * np.random.default_rng(5).standard_normal((height + 32, width + 32, 3))
        up, down = np.clip(noise, 0, 60), np.clip(-noise, 0, 60)
        _GRAIN[width, height] = (up.astype(np.uint8), down.astype(np.uint8))
    return _GRAIN[width, height]
