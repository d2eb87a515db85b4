"""What a run predicted for each test clip, from its predictions.parquet.

Read one run after another, never all at once. A file that is missing, damaged or of no sense is None to the reader,
who says so: a table can do without the clips' part, but not in silence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow

FILE = "predictions.parquet"
_COLUMNS = ["clip_id", "split", "label", "probabilities"]


@dataclass(frozen=True)
class Predictions:
    """One run's test clips: their ids, their labels `[N]`, and the probabilities `[N, K]` that it gave the classes."""

    clips: pyarrow.Array
    labels: np.ndarray
    probabilities: np.ndarray


def read(folder: Path) -> Predictions | None:
    """The test predictions stored in a run's folder; None where there are none that can be used."""
    import pyarrow
    from pyarrow import compute, parquet

    try:
        with parquet.ParquetFile(folder / FILE) as file:
            table = file.read(columns=_COLUMNS, use_threads=False)
        table = table.filter(compute.equal(table["split"], "test")).combine_chunks()
        clips, labels = (table[name].chunk(0) for name in ("clip_id", "label"))
        rows = table["probabilities"].chunk(0)
        (classes,) = compute.unique(compute.list_value_length(rows)).to_pylist()
        probabilities = compute.list_flatten(rows).to_numpy(zero_copy_only=False).reshape(len(rows), classes)
        labels = labels.to_numpy(zero_copy_only=False)
    except (OSError, ValueError, TypeError, LookupError, pyarrow.ArrowException):
        return None
    known = labels.size and labels.dtype.kind == "i" and labels.min() >= 0 and labels.max() < probabilities.shape[1]
    sound = known and np.isfinite(probabilities).all() and len(compute.unique(clips)) == len(clips)
    return Predictions(clips, labels, probabilities) if sound else None


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
