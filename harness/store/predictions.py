"""What a run predicted for each clip: its predictions.parquet, read whole and held to what scores need of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import BadInput

if TYPE_CHECKING:
    import pyarrow

FILE = "predictions.parquet"
_COLUMNS = ["clip_id", "split", "label", "prediction", "probabilities"]


@dataclass(frozen=True)
class Predictions:
    """Of N clips and K classes, in the order of the file."""

    clips: pyarrow.Array  # ids
    splits: pyarrow.Array
    labels: np.ndarray  # [N]
    predicted: np.ndarray  # [N]
    probabilities: np.ndarray  # [N, K]

    def of(self, split: str) -> Predictions:
        """Those of the clips of one split."""
        from pyarrow import compute

        here = compute.indices_nonzero(compute.equal(self.splits, split))
        clips, splits, rows = self.clips.take(here), self.splits.take(here), here.to_numpy()
        return Predictions(clips, splits, self.labels[rows], self.predicted[rows], self.probabilities[rows])


def read(folder: Path) -> Predictions:
    """The predictions in a run's folder. Raises `BadInput` where they are missing or damaged."""
    import pyarrow
    from pyarrow import parquet

    path, mend = folder / FILE, "delete the run's folder to train it again"
    try:
        with parquet.ParquetFile(path) as file:
            found = _unpacked(file.read(columns=_COLUMNS, use_threads=False))
    except FileNotFoundError as error:
        raise BadInput(str(path), "is missing", mend) from error
    except (OSError, ValueError, TypeError, LookupError, pyarrow.ArrowException) as error:
        raise BadInput(str(path), f"can't be read ({error})", mend) from error
    if wrong := _wrong(found):
        raise BadInput(str(path), wrong, mend)
    return found


def _unpacked(table: pyarrow.Table) -> Predictions:
    from pyarrow import compute

    clips, splits, labels, predicted, rows = (table[name].combine_chunks() for name in _COLUMNS)
    (classes,) = compute.unique(compute.list_value_length(rows)).to_pylist()
    probabilities = compute.list_flatten(rows).to_numpy(zero_copy_only=False).reshape(len(rows), classes)
    labels, predicted = (of.to_numpy(zero_copy_only=False) for of in (labels, predicted))
    return Predictions(clips, splits, labels, predicted, probabilities)


def _wrong(found: Predictions) -> str:
    """What no run can have stored, in words."""
    from pyarrow import compute

    classes = found.probabilities.shape[1]
    for name, of in (("label", found.labels), ("prediction", found.predicted)):
        if of.dtype.kind != "i" or of.min() < 0 or of.max() >= classes:
            return f"has a {name} that is none of its {classes} classes"
    if not np.isfinite(found.probabilities).all():
        return "has a probability that is no number"
    for split in found.splits.unique():
        clips = found.clips.filter(compute.equal(found.splits, split))
        if len(clips.unique()) < len(clips):
            return f"has a clip of {split} twice"
    return ""
