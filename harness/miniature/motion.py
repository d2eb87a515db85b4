"""How a face moves: one curve per parameter, a row per frame.

A performance starts from the apex of a mood and spreads it over time: onset, apex and offset, blinks,
nods, wandering eyes. All values are deviations from a resting face, so zeros are a neutral one. Curves
come as a plain array [frames, parameters], which lets the drawing work on a whole clip at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Curves = NDArray[np.float64]

FPS = 10
NAMES = (
    "brow_raise",  # up +, down -
    "brow_tilt",  # inner ends down +, up -
    "brow_skew",  # one brow higher than the other
    "eye_open",  # wide +, closed at -1
    "gaze_x",
    "gaze_y",  # down +
    "mouth_curve",  # smile +
    "mouth_open",
    "nose_wrinkle",
    "roll",
    "yaw",
    "pitch",  # head down +
    "lean",  # towards the camera +
    "hand",  # a hand rises to the chin at 1
)
COLUMN = {name: i for i, name in enumerate(NAMES)}
SIDEWAYS = [COLUMN[name] for name in ("brow_skew", "gaze_x", "roll", "yaw")]


def vector(**values: float) -> Curves:
    """One pose, from named parameters; those not named rest."""
    pose = np.zeros(len(NAMES))
    for name, value in values.items():
        pose[COLUMN[name]] = value
    return pose


def mirrored(curves: Curves) -> Curves:
    """The same expression seen in a mirror."""
    other = curves.copy()
    other[..., SIDEWAYS] *= -1
    return other


def perform(apex: Curves, rhythm: str, frames: int, rng: Generator) -> Curves:
    """Spread a mood's apex over `frames` frames in the manner of `rhythm`."""
    manner = RHYTHMS[rhythm]
    seconds = np.arange(frames) / FPS
    curves = manner.envelope(frames, rng)[:, None] * apex
    manner.extra(curves, seconds, rng)
    _sway(curves, seconds, rng)
    _blink(curves, seconds, manner.blink_every, manner.blink_length, rng)
    return curves


@dataclass(frozen=True)
class Rhythm:
    """The manner in which a mood unfolds."""

    envelope: Callable[[int, Generator], Curves]
    extra: Callable[[Curves, Curves, Generator], None]
    blink_every: float = 2.2
    blink_length: float = 0.15


# ---------------------------------------------------------------- envelopes: how much of the apex is shown


def _bump(frames: int, start: float, rise: float, hold: float, fall: float, floor: float) -> Curves:
    time = np.linspace(0, 1, frames)
    up = np.clip((time - start) / rise, 0, 1)
    down = np.clip((start + rise + hold + fall - time) / fall, 0, 1)
    return floor + (1 - floor) * np.minimum(up, down)


def _sustained(frames: int, rng: Generator) -> Curves:
    return _bump(frames, rng.uniform(-0.3, 0.15), 0.15, 1.0, 0.3, 0.3)


def _burst(frames: int, rng: Generator) -> Curves:
    """A short apex: most frames of the clip look nearly neutral."""
    return _bump(frames, rng.uniform(0.05, 0.5), 0.06, rng.uniform(0.15, 0.35), 0.2, 0.2)


def _wave(frames: int, rng: Generator) -> Curves:
    return _bump(frames, rng.uniform(0, 0.3), 0.2, rng.uniform(0.2, 0.6), 0.25, 0.2)


def _slow(frames: int, rng: Generator) -> Curves:
    return _bump(frames, rng.uniform(-0.6, 0), 0.9, 1.0, 0.3, 0.2)


# ---------------------------------------------------------------- extras: what moves besides the apex


def _still(curves: Curves, seconds: Curves, rng: Generator) -> None:
    del curves, seconds, rng


def _oscillate(name: str, hertz: float, size: float) -> Callable[[Curves, Curves, Generator], None]:
    def extra(curves: Curves, seconds: Curves, rng: Generator) -> None:
        phase, rate = rng.uniform(0, 2 * np.pi), hertz * rng.uniform(0.8, 1.25)
        strength = size * rng.uniform(0.4, 1.2)
        curves[:, COLUMN[name]] += strength * np.sin(2 * np.pi * rate * seconds + phase)

    return extra


def _tremble(curves: Curves, seconds: Curves, rng: Generator) -> None:
    shiver = 0.09 * rng.standard_normal((len(seconds), 3))
    curves[:, [COLUMN["yaw"], COLUMN["pitch"], COLUMN["mouth_open"]]] += shiver


def _dart(curves: Curves, seconds: Curves, rng: Generator) -> None:
    """Eyes, and the head after them, jump from place to place."""
    holds = rng.integers(3, 8, size=len(seconds))
    turns = np.repeat(rng.uniform(-1, 1, size=len(seconds)), holds)[: len(seconds)]
    reach = rng.uniform(0.5, 1.1)
    curves[:, COLUMN["gaze_x"]] += reach * turns
    curves[:, COLUMN["yaw"]] += 0.55 * reach * turns


def _droop(curves: Curves, seconds: Curves, rng: Generator) -> None:
    """The head sinks slowly and is caught with a start; the lids follow it; now and then a yawn."""
    depth, period = rng.uniform(0.3, 0.9), rng.uniform(1.6, 3.0)
    sink = ((seconds + rng.uniform(0, period)) / period) % 1.0
    curves[:, COLUMN["pitch"]] += depth * sink
    curves[:, COLUMN["eye_open"]] -= 0.5 * depth * sink
    if rng.random() < 0.35:
        yawn = np.exp(-(((seconds - rng.uniform(0, seconds[-1] + 0.1)) / 0.45) ** 2))
        curves[:, COLUMN["mouth_open"]] += 0.9 * yawn
        curves[:, COLUMN["eye_open"]] -= 0.5 * yawn


def _sway(curves: Curves, seconds: Curves, rng: Generator) -> None:
    """Slow movements that everybody makes, whatever the mood."""
    for name, size in (("roll", 0.08), ("yaw", 0.12), ("pitch", 0.08), ("gaze_x", 0.2), ("gaze_y", 0.12)):
        phase, rate = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.6)
        curves[:, COLUMN[name]] += size * rng.uniform(0.3, 1.5) * np.sin(2 * np.pi * rate * seconds + phase)


def _blink(curves: Curves, seconds: Curves, every: float, length: float, rng: Generator) -> None:
    lids = curves[:, COLUMN["eye_open"]]
    moment = rng.uniform(0, every)
    while moment < seconds[-1]:
        lids[np.abs(seconds - moment) <= length] = -0.95
        moment += every * rng.uniform(0.5, 1.6)


RHYTHMS = {
    "calm": Rhythm(_sustained, _still),
    "wave": Rhythm(_wave, _still),
    "burst": Rhythm(_burst, _still, blink_every=3.5),
    "slow": Rhythm(_slow, _still, blink_every=1.8, blink_length=0.2),
    "shaking": Rhythm(_sustained, _oscillate("yaw", 1.6, 0.22)),
    "turning": Rhythm(_wave, _oscillate("yaw", 0.4, 0.35)),
    "laughing": Rhythm(_wave, _oscillate("pitch", 2.2, 0.16)),
    "nodding": Rhythm(_sustained, _oscillate("pitch", 1.1, 0.2), blink_every=3.0),
    "trembling": Rhythm(_sustained, _tremble, blink_every=3.0),
    "drooping": Rhythm(_sustained, _droop, blink_every=1.3, blink_length=0.35),
    "darting": Rhythm(_sustained, _dart, blink_every=1.8),
}
