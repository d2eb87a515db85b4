"""What each class tends to look like: the tables that make the rendered world easy or hard.

A mood names the apex of its expression, the rhythm in which it unfolds, and the places and things that go
with it. Everything is a tendency: the world weakens it, mixes it with a neighbouring mood, and now and then
takes a place that belongs to another. The faces alone, or the places alone, do not settle the class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.miniature.motion import Curves, vector


@dataclass(frozen=True)
class Mood:
    apex: Curves
    rhythms: Mapping[str, float]
    places: tuple[str, ...] = ()
    things: tuple[str, ...] = ()
    near: tuple[str, ...] = ()  # classes it is easily taken for


@dataclass(frozen=True)
class Setting:
    """One data set's world: its moods in label order, and how reliably they show."""

    moods: Mapping[str, Mood]
    size: tuple[int, int]
    head: tuple[float, float]  # half height of a head in pixels
    centred: bool = False
    loyalty: float = 0.5  # how often the place is one of the mood's own
    honesty: float = 0.5  # how often a thing on the desk is one of the mood's own
    strength: tuple[float, float] = (0.8, 0.22)  # mean and spread of the expression's intensity
    mixing: float = 0.2  # how often a neighbouring mood is mixed in
    noise: float = 0.13
    things: tuple[str, ...] = field(default=())


CAER = Setting(
    moods={
        "Anger": Mood(
            vector(brow_raise=-0.6, brow_tilt=0.8, eye_open=0.05, mouth_curve=-0.55, mouth_open=0.3, lean=0.5),
            {"shaking": 0.6, "calm": 0.4},
            ("street", "office"),
            near=("Disgust",),
        ),
        "Disgust": Mood(
            vector(brow_raise=-0.45, brow_tilt=0.6, eye_open=-0.4, mouth_curve=-0.5, nose_wrinkle=0.85),
            {"turning": 0.6, "wave": 0.4},
            ("alley", "kitchen"),
            near=("Anger",),
        ),
        "Fear": Mood(
            vector(brow_raise=0.65, brow_tilt=-0.5, eye_open=0.75, mouth_curve=-0.3, mouth_open=0.4, lean=-0.5),
            {"trembling": 0.7, "calm": 0.3},
            ("corridor", "forest"),
            near=("Surprise", "Sad"),
        ),
        "Happy": Mood(
            vector(brow_raise=0.15, eye_open=-0.25, mouth_curve=0.9, mouth_open=0.3),
            {"laughing": 0.6, "wave": 0.4},
            ("party", "park"),
            near=("Surprise", "Neutral"),
        ),
        "Neutral": Mood(vector(), {"calm": 1.0}, ("living", "office"), near=("Sad", "Happy")),
        "Sad": Mood(
            vector(brow_tilt=-0.7, eye_open=-0.35, mouth_curve=-0.5, gaze_y=0.5, pitch=0.4),
            {"slow": 0.7, "calm": 0.3},
            ("graveyard", "rain"),
            near=("Neutral", "Fear"),
        ),
        "Surprise": Mood(
            vector(brow_raise=0.95, eye_open=0.8, mouth_open=0.8, mouth_curve=0.1),
            {"burst": 0.8, "calm": 0.2},
            ("gifts", "stage"),
            near=("Fear", "Happy"),
        ),
    },
    size=(208, 156),
    head=(31, 42),
    loyalty=0.5,
)


def _engagement(level: float, rhythms: Mapping[str, float], near: tuple[str, ...]) -> Mood:
    """The four levels are points on one line, from turned away and half asleep to leaning in."""
    away = vector(eye_open=-0.75, gaze_x=0.6, gaze_y=0.5, yaw=0.6, pitch=0.6, mouth_curve=-0.2, lean=-0.7, hand=0.5)
    drawn = vector(eye_open=0.3, brow_raise=0.3, brow_tilt=0.1, mouth_curve=0.2, pitch=-0.05, lean=0.8)
    places = ("bedroom", "television") if level < 0.5 else ("study", "office")
    things = ("phone", "snacks") if level < 0.5 else ("notebook", "laptop")
    return Mood((1 - level) * away + level * drawn, rhythms, places, things, near)


DAISEE = Setting(
    moods={
        "Very low": _engagement(0.02, {"drooping": 0.6, "darting": 0.4}, ("Low",)),
        "Low": _engagement(0.35, {"darting": 0.5, "drooping": 0.2, "calm": 0.3}, ("Very low", "High")),
        "High": _engagement(0.66, {"calm": 0.8, "darting": 0.2}, ("Low", "Very high")),
        "Very high": _engagement(0.98, {"nodding": 0.6, "calm": 0.4}, ("High",)),
    },
    size=(176, 132),
    head=(33, 40),
    centred=True,
    loyalty=0.3,
    honesty=0.45,
    strength=(0.85, 0.18),
    mixing=0.4,
    noise=0.12,
    things=("notebook", "laptop", "phone", "coffee", "snacks"),
)

RAER = Setting(
    moods={
        "Neutral": Mood(vector(), {"calm": 1.0}, ("classroom", "library"), ("notebook",), ("Fatigue", "Distraction")),
        "Enjoyment": Mood(
            vector(brow_raise=0.15, eye_open=-0.2, mouth_curve=0.85, mouth_open=0.25),
            {"laughing": 0.6, "wave": 0.4},
            ("friends", "classroom"),
            ("snacks", "laptop"),
            ("Distraction", "Neutral"),
        ),
        "Confusion": Mood(
            vector(brow_skew=0.8, brow_tilt=0.45, roll=0.55, mouth_curve=-0.35, gaze_x=0.3, hand=0.9),
            {"wave": 0.6, "calm": 0.4},
            ("study", "lecture"),
            ("papers",),
            ("Neutral", "Fatigue"),
        ),
        "Fatigue": Mood(
            vector(eye_open=-0.6, brow_raise=-0.15, mouth_curve=-0.2, pitch=0.35, hand=0.3),
            {"drooping": 0.8, "slow": 0.2},
            ("bedroom", "lecture"),
            ("coffee",),
            ("Neutral", "Confusion"),
        ),
        "Distraction": Mood(
            vector(yaw=0.15, gaze_x=0.15),
            {"darting": 0.85, "turning": 0.15},
            ("friends", "television"),
            ("phone",),
            ("Neutral", "Enjoyment"),
        ),
    },
    size=(172, 129),
    head=(27, 35),
    loyalty=0.45,
    honesty=0.45,
    strength=(0.85, 0.22),
    mixing=0.25,
    things=("notebook", "laptop", "phone", "coffee", "snacks", "papers"),
)

SETTINGS = {"caer": CAER, "daisee": DAISEE, "raer": RAER}
