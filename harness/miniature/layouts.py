"""Writes the miniatures: three folders in the native layouts of CAER, DAiSEE and RAER, quirks included.

The quirks are the point (boxes keyed without extension, labels that start at 1, absolute paths of somebody
else's machine, labels without videos): an adapter that reads these folders reads the real ones. Nothing here
knows what a clip looks like; see `world`, and `filming`.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np

from harness.errors import Unwritable
from harness.miniature.filming import FOLDERS, Boxes, Shot, Take, filming
from harness.miniature.moods import SETTINGS

VERSION = 3
Progress = Callable[[int, int], None]

ABOUT = f"""These are miniatures (version {VERSION}): short clips of drawn faces in drawn places, rendered by
harness in the file layouts of CAER, DAiSEE and RAER. They are NOT these data sets, contain nothing from
them, and no figure measured on them says anything about the real ones.
"""

# clips per class, and people, of each split
CLIPS: dict[str, dict[str, tuple[int, ...]]] = {
    "caer": {"train": (42,) * 7, "validation": (12,) * 7, "test": (24,) * 7},
    "daisee": {"Train": (24, 56, 130, 110), "Validation": (8, 16, 36, 30), "Test": (14, 32, 60, 54)},
    "raer": {"train": (56,) * 5, "test": (26,) * 5},
}
LENGTH = {"caer": (14, 34), "daisee": (16, 34), "raer": (10, 24)}  # frames, at 10 a second
PEOPLE = {
    "caer": {"train": 60, "validation": 20, "test": 36},
    "daisee": {"Train": 40, "Validation": 12, "Test": 22},
    "raer": {"train": 60, "test": 30},
}


def render(
    out: Path, *, limit: int | None = None, progress: Progress | None = None, processes: int | None = None
) -> None:
    """Render all three sets into `out`; with `limit`, at most that many clips per class and split.

    A limited rendering holds the very same clips, only fewer. `progress` is told (done, total) clips.
    """
    shots = [*plan("caer", limit), *plan("daisee", limit), *plan("raer", limit)]
    out.mkdir(parents=True, exist_ok=True)
    takes: list[Take] = []
    with filming(out, processes or min(2, os.cpu_count() or 1)) as film:
        for take in film(shots):
            takes.append(take)
            if progress:
                progress(len(takes), len(shots))
    for setting, annotate in ANNOTATE.items():
        annotate(out / FOLDERS[setting], [take for take in takes if take.shot.setting == setting])
    (out / "README.txt").write_text(ABOUT)


def ensure(cache: Path, *, limit: int | None = None, progress: Progress | None = None) -> Path:
    """The folder of rendered miniatures under `cache`, rendered now if it is not there yet.

    The name carries the version, so an old rendering is never taken for a new one. Two processes may both
    render; whoever finishes first puts the folder in place and the other's is thrown away.
    """
    folder = cache / (f"miniatures-v{VERSION}" + (f"-limit{limit}" if limit else ""))
    if folder.exists():
        return folder
    draft = cache / f".{folder.name}-{uuid.uuid4().hex[:8]}"
    try:
        render(draft, limit=limit, progress=progress)
        draft.rename(folder)
    except OSError as error:
        if not folder.exists():
            raise Unwritable(error.errno, error.strerror, str(folder)) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


# ---------------------------------------------------------------- planning


def plan(setting: str, limit: int | None = None) -> list[Shot]:
    """Every clip of a set. People are numbered apart from split to split, so none is in two of them."""
    shots: list[Shot] = []
    first_person = 1000 * (1 + list(SETTINGS).index(setting))
    for split, counts in CLIPS[setting].items():
        people = range(first_person, first_person + PEOPLE[setting][split])
        first_person = people.stop
        rng = np.random.default_rng([first_person, len(counts)])
        for label, (mood, count) in enumerate(zip(SETTINGS[setting].moods, counts, strict=True)):
            for number in range(1, count + 1):
                frames = int(rng.integers(4, 8) if rng.random() < 0.04 else rng.integers(*LENGTH[setting]))
                person, seed = int(rng.choice(people)), int(rng.integers(1 << 31))
                if limit is None or number <= limit:
                    path, codec = _name(setting, split, mood, label, number, person)
                    shots.append(Shot(setting, split, mood, label, path, person, seed, frames, codec))
    return shots


def _name(setting: str, split: str, mood: str, label: int, number: int, person: int) -> tuple[str, str]:
    if setting == "caer":
        return f"{split}/{mood}/{number:04d}.avi", ("mjpeg", "mpeg4", "libx264", "mpeg4")[number % 4]
    if setting == "raer":
        return f"{split}/{mood}/{number:04d}", "jpg"
    clip = f"{person + 110000}{label + 1}{number:03d}"  # the first six digits are the person
    ending, codec = (".mp4", "libx264") if number % 30 == 3 else (".avi", "mpeg4")
    return f"DataSet/{split}/{clip[:6]}/{clip}/{clip}{ending}", codec


# ---------------------------------------------------------------- annotations, each set in its own way


def _every(share: float, n: int) -> set[int]:
    """Places spread evenly over a list of `n`, about `share` of them."""
    count = round(share * n)
    return {int((k + 0.5) * n / count) for k in range(count)}


def _splits(takes: list[Take]) -> dict[str, list[Take]]:
    groups: dict[str, list[Take]] = {}
    for take in takes:
        groups.setdefault(take.shot.split, []).append(take)
    return groups


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))


def _annotate_caer(root: Path, takes: list[Take]) -> None:
    """`path frames label` without a newline at the end; one box a clip, keyed without the extension."""
    lists = root / "annotations"
    lists.mkdir(parents=True, exist_ok=True)
    for split, group in _splits(takes).items():
        miscounted, rng = _every(0.03, len(group)), np.random.default_rng(len(split))
        lines = []
        for i, take in enumerate(group):
            listed = take.shot.frames + (rng.choice((-1, 1, 2)) if i in miscounted else 0)
            lines.append(f"{take.shot.path} {listed} {take.shot.label}")
        (lists / f"{split}.txt").write_text("\n".join(lines))
    unseen = _every(0.01, len(takes))
    boxes = {
        "CAER/" + take.shot.path.removesuffix(".avi"): _around(take.faces)
        for i, take in enumerate(takes)
        if i not in unseen
    }
    _write_json(lists / "caer_faces.json", boxes)


def _annotate_daisee(root: Path, takes: list[Take]) -> None:
    """Four affects a clip, named `.avi` whatever the file; some labels without a video and the reverse."""
    labels = root / "Labels"
    labels.mkdir(parents=True, exist_ok=True)
    for split, group in _splits(takes).items():
        rng = np.random.default_rng(len(split))
        unlabelled = _every(0.015, len(group))
        absent = _every(0.02, len(group))
        rows = ["ClipID,Boredom,Engagement,Confusion,Frustration "]
        for i, take in enumerate(group):
            clip = Path(take.shot.path).stem
            if i not in unlabelled:
                rows.append(f"{clip}.avi," + _affects(take.shot.label, rng))
            if i in absent:  # the same person's next clip, which was never published
                rows.append(f"{int(clip) + 500}.avi," + _affects(take.shot.label, rng))
        (labels / f"{split}Labels.csv").write_bytes(("\r\n".join(rows) + "\r\n").encode())


def _affects(engagement: int, rng: np.random.Generator) -> str:
    boredom = int(np.clip(round(rng.normal(2.4 - 0.8 * engagement, 0.7)), 0, 3))
    confusion = int(np.clip(round(rng.normal(0.6, 0.7)), 0, 3))
    frustration = int(np.clip(round(rng.normal(0.2 + 0.4 * confusion, 0.6)), 0, 3))
    return f"{boredom},{engagement},{confusion},{frustration}"


def _annotate_raer(root: Path, takes: list[Take]) -> None:
    """Labels from 1, paths of somebody's machine; face boxes frame by frame, body boxes clip by clip."""
    lists = root / "annotations"
    lists.mkdir(parents=True, exist_ok=True)
    for split, group in _splits(takes).items():
        rows = [f"/data/somebody/RAER/{t.shot.path} {t.shot.frames} {t.shot.label + 1}\n" for t in group]
        (lists / f"{split}.txt").write_text("".join(rows))
    rng, unseen = np.random.default_rng(4), _every(0.025, len(takes))
    faces = {
        take.shot.path: {
            f"{number:05d}.jpg": box
            for number, box in enumerate(take.faces.tolist(), 1)
            if rng.random() > 0.05  # the detector lost the face in this frame
        }
        for i, take in enumerate(takes)
        if i not in unseen
    }
    _write_json(lists / "raer_faces.json", faces)
    _write_json(lists / "raer_bodies.json", {take.shot.path: _around(take.bodies) for take in takes})


def _around(boxes: Boxes) -> list[int]:
    return [*boxes[:, :2].min(0).tolist(), *boxes[:, 2:].max(0).tolist()]


ANNOTATE = {"caer": _annotate_caer, "daisee": _annotate_daisee, "raer": _annotate_raer}
