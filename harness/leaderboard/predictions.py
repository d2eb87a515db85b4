"""The test clips of runs as a leaderboard reads them: one run after another, never all at once.

Predictions that are missing or damaged are None to the reader, who says so: a table can do without the clips' part,
but not in silence.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import BadInput
from harness.store import predictions
from harness.store.predictions import Predictions

if TYPE_CHECKING:
    import pyarrow


def read(folder: Path) -> Predictions | None:
    """The test predictions stored in a run's folder; None where there are none that can be used."""
    try:
        found = predictions.read(folder).of("test")
    except BadInput:
        return None
    return found if len(found.clips) else None


class Clips:
    """The test clips of a data set's runs, each with a place of its own, in the order in which they were met.

    Runs of one copy list the same clips in the same order, which is seen at a glance. Other folds, or copies that
    lack a clip, have other lists; what they share is found by the clips' ids.
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._lists: list[tuple[pyarrow.Array, np.ndarray]] = []

    def __len__(self) -> int:
        return len(self._places)

    def places(self, clips: pyarrow.Array) -> np.ndarray:
        for known, found in self._lists:
            if known.equals(clips):
                return found
        found = self._look_up(clips.to_pylist())
        self._lists.append((clips, found))
        return found

    def _look_up(self, ids: Iterable[str]) -> np.ndarray:
        return np.array([self._places.setdefault(clip, len(self._places)) for clip in ids])
