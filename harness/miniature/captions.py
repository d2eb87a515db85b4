"""Puts a picture of the rendered world into words: cues of the face, the place, the things on the desk.

The words are those of `harness/datasets/descriptions.toml`, so that a model which learned from captions can
read a class description it was never told. Weak expressions yield few cues, as an honest caption would.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

from numpy.random import Generator

from harness.miniature.motion import COLUMN, Curves
from harness.miniature.scenes import PLACES
from harness.miniature.things import THINGS

DESCRIPTIONS = Path(__file__).parents[1] / "datasets" / "descriptions.toml"

# parameter, does it show?, its wordings
CUES: tuple[tuple[str, Callable[[float], bool], tuple[str, ...]], ...] = (
    ("brow_tilt", lambda v: v > 0.3, ("brows pulled down and together", "frowning brows", "a hard stare")),
    ("brow_tilt", lambda v: v < -0.3, ("slanted brows", "inner brows raised")),
    ("brow_raise", lambda v: v > 0.4, ("raised brows", "brows raised high")),
    ("brow_raise", lambda v: v < -0.35, ("lowered brows",)),
    ("brow_skew", lambda v: abs(v) > 0.4, ("one brow raised higher", "one raised brow")),
    ("eye_open", lambda v: v > 0.35, ("wide open eyes", "wide eyes")),
    ("eye_open", lambda v: -0.7 < v < -0.25, ("half-closed eyes", "narrowed eyes", "heavy eyelids")),
    ("eye_open", lambda v: v <= -0.7, ("closed eyes",)),
    ("gaze_x", lambda v: abs(v) > 0.45, ("eyes turned aside", "looking aside")),
    ("gaze_y", lambda v: v > 0.35, ("eyes looking down", "looking down")),
    ("mouth_curve", lambda v: v > 0.55, ("a broad smile", "raised cheeks", "laughing")),
    ("mouth_curve", lambda v: 0.25 < v <= 0.55, ("a slight smile", "a smile")),
    ("mouth_curve", lambda v: v < -0.3, ("a down-turned mouth", "a tight mouth")),
    ("mouth_open", lambda v: v > 0.5, ("an open mouth", "a yawning mouth")),
    ("mouth_open", lambda v: 0.2 < v <= 0.5, ("parted lips",)),
    ("nose_wrinkle", lambda v: v > 0.35, ("a wrinkled nose",)),
    ("roll", lambda v: abs(v) > 0.35, ("a tilted head",)),
    ("yaw", lambda v: abs(v) > 0.4, ("head turned aside", "turning away")),
    ("pitch", lambda v: v > 0.35, ("a lowered head", "a drooping head")),
    ("lean", lambda v: v > 0.4, ("leaning in",)),
    ("lean", lambda v: v < -0.4, ("leaning back",)),
    ("hand", lambda v: v > 0.4, ("a hand on the chin",)),
)
REST = ("a calm, relaxed face with level brows", "a calm and upright face", "open eyes and a closed mouth")
TEMPLATES = ("{}", "a photo of a person, {}", "a face, {}", "a frame of a video: {}")


def face_caption(pose: Curves, rng: Generator) -> str:
    """The cues that show in one frame's face, in any order."""
    cues = [str(rng.choice(words)) for name, shows, words in CUES if shows(pose[COLUMN[name]])]
    rng.shuffle(cues)
    return _join(cues[:5] if cues else [str(rng.choice(REST))])


def scene_caption(place: str, things: tuple[str, ...], rng: Generator) -> str:
    """Where it is and what lies on the desk."""
    words = [PLACES[place][0], *(f"with {THINGS[name][0]}" for name in things)]
    rng.shuffle(words)
    return ", ".join(words)


def descriptions() -> dict[str, dict[str, str]]:
    """The product's class descriptions, by data set and class."""
    return tomllib.loads(DESCRIPTIONS.read_text())


def dress(caption: str, rng: Generator) -> str:
    """Put a caption in a template; sometimes after filler, as learned prompts will stand before it."""
    text = str(rng.choice(TEMPLATES)).format(caption)
    if rng.random() < 0.3:
        text = " ".join(["x"] * int(rng.integers(4, 17))) + " " + text
    return text


def _join(cues: list[str]) -> str:
    return cues[0] if len(cues) == 1 else ", ".join(cues[:-1]) + " and " + cues[-1]
