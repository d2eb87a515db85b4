"""Which test clips are hard: how many runs and methods got each wrong, and what it was taken for most often.

Predictions are added up run by run, so memory grows with the clips and not with the runs.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.leaderboard import predictions
from harness.leaderboard.markdown import plain
from harness.store import Store
from harness.store.predictions import Predictions
from harness.words import plural

PICTURED = 24  # the hardest clips of a data set that are shown with a picture
_LARGEST = 10_000  # bytes of a picture
_JPEG = b"\xff\xd8\xff"


class Clips:
    """The test clips of one data set and what its runs made of them. Runs of one method come one after another."""

    def __init__(self, classes: Sequence[str], left_out: int = 0) -> None:
        self.classes = list(classes)
        self.left_out = left_out  # runs without predictions that can be used, or with other classes
        self._listed = predictions.Clips()
        self._ids: list[str] = []
        counts = [(name, np.int64) for name in ("label", "runs", "wrong", "methods", "mostly", "balance", "here")]
        self._tally = np.zeros(0, [*counts, ("taken", np.int64, (len(classes),))])
        self._method = ""

    def add(self, method: str, told: Predictions) -> np.ndarray:
        """Adds a run; gives the places of its clips among the data set's."""
        if method != self._method:
            self._end_method()
            self._method = method
        places = self._listed.places(told.clips)
        if len(self._listed) > len(self._ids):
            self._grow(told, places)
        taken = told.probabilities.argmax(1)
        wrong = taken != told.labels
        tally = self._tally
        tally["runs"][places] += 1
        tally["wrong"][places] += wrong
        tally["taken"][places[wrong], taken[wrong]] += 1
        tally["here"][places] = 1
        tally["balance"][places] += np.where(wrong, 1, -1)
        return places

    def rows(self) -> list[list[Any]]:
        """A row a clip: id, label, runs that got it wrong, runs, methods that mostly got it wrong, methods, the wrong
        class that it was taken for most often (None: always right) and by how many runs."""
        if not self._ids:
            return []
        self._end_method()
        often = self._tally["taken"].argmax(1).tolist()
        times = self._tally["taken"].max(1).tolist()
        numbers = np.stack([self._tally[name] for name in ("label", "wrong", "runs", "mostly", "methods")], 1).tolist()
        mistaken = [(of if n else None, n) for of, n in zip(often, times, strict=True)]
        return [[plain(clip), *row, *last] for clip, row, last in zip(self._ids, numbers, mistaken, strict=True)]

    def hardest(self, count: int) -> list[int]:
        """The places of the clips that the largest share of runs got wrong; among equals as their ids are sorted."""
        share = (self._tally["wrong"] / self._tally["runs"]).tolist()
        return sorted(range(len(self._ids)), key=lambda place: (-share[place], self._ids[place]))[:count]

    def named(self, place: int) -> str:
        return self._ids[place]

    def _grow(self, told: Predictions, places: np.ndarray) -> None:
        fresh = places >= len(self._ids)
        self._tally = np.concatenate([self._tally, np.zeros(fresh.sum(), self._tally.dtype)])
        self._tally["label"][places[fresh]] = told.labels[fresh]
        self._ids += told.clips.filter(fresh).to_pylist()

    def _end_method(self) -> None:
        """A method counts as wrong about a clip when more than half of its runs were."""
        self._tally["mostly"] += self._tally["balance"] > 0
        self._tally["methods"] += self._tally["here"]
        self._tally["balance"] = self._tally["here"] = 0


def pictures(clips: Clips, dataset: str, stores: Sequence[Store]) -> tuple[dict[int, str], str]:
    """Pictures of the hardest clips as data: URIs, by place, and a word on those that there are not."""
    if not any(store.thumbnail(dataset, "").parent.is_dir() for store in stores):
        return {}, "There are no thumbnails in this store."
    wanted, found, unfit = clips.hardest(PICTURED), {}, 0
    for place in wanted:
        stored = (_stored(store.thumbnail(dataset, clips.named(place))) for store in stores)
        data = next((data for data in stored if data is not None), None)
        if data is not None and data.startswith(_JPEG) and len(data) <= _LARGEST:
            found[place] = "data:image/jpeg;base64," + base64.b64encode(data).decode()
        unfit += data is not None and place not in found
    words = [f"Thumbnails of {len(found)} of the {plural(len(wanted), 'hardest clip')}."]
    if unfit:
        words.append(f"{plural(unfit, 'file')} not shown: unreadable, no JPEG, or larger than {_LARGEST // 1000} kB.")
    return found, " ".join(words)


def _stored(path: Path) -> bytes | None:
    """A file's bytes: None where there is no file, none of them where it can't be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError:
        return b""
