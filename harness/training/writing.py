"""What a run leaves in its folder, written while the run is this process's to write and never after.

Each file is written under the run's lease. `result.json` comes last: a folder without it is unfinished, whatever else
it holds.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from harness import files, scores, store
from harness.data.loading import Split
from harness.plan import Run
from harness.protocol import Train
from harness.store.leases import Commit
from harness.trained import FILE as MODEL
from harness.training import evaluation, retry
from harness.training.loop import Outcome
from harness.training.watch import Alarm, as_row


class Lost(Exception):
    """Another process has taken the run over while this one stood still."""


class Writer:
    """Writes one run's folder; where the process is not the one that `writes` (of several that train it), nothing."""

    def __init__(self, folder: Path, commit: Commit, *, writes: bool) -> None:
        self.folder, self.commit, self.writes = folder, commit, writes

    def begin(self, spec: Mapping[str, Any], environment: Mapping[str, Any]) -> None:
        """What is known beforehand. Clears away what a process that died while it wrote has left half-written."""
        self._write({"spec.json": _of_this_form(spec), "environment.json": environment, "alarms.jsonl": []})
        if self.writes:
            files.clear_leftovers(self.folder)
            (self.folder / MODEL).unlink(missing_ok=True)  # of a training whose result was thrown away

    def alarms(self, alarms: list[Alarm]) -> None:
        self._write({"alarms.jsonl": list(map(as_row, alarms))})

    def retry(self, note: Mapping[str, Any]) -> None:
        """That a second try begins, as `retry.note` says it."""
        self._write({retry.FILE: note})

    def history(self, rows: list[dict[str, Any]]) -> None:
        self._write({"history.jsonl": rows})

    def end(
        self, result: Mapping[str, Any], alarms: list[Alarm], predictions: bytes | None, model: bytes | None = None
    ) -> None:
        """Predictions as `predictions_of` makes them, and the trained weights if asked for; a failed run has none."""
        files = {"predictions.parquet": predictions, MODEL: model}
        before = {name: content for name, content in files.items() if content is not None}
        self._write({"alarms.jsonl": list(map(as_row, alarms)), **before, "result.json": _of_this_form(result)})

    def check(self) -> None:
        """Raises `Lost` where the run is somebody else's by now."""
        self._write({})

    def _write(self, files: Mapping[str, Any]) -> None:
        """Raises `Lost` where the run is somebody else's by now."""
        if not self.writes:
            return
        with self.commit() as mine:
            if not mine:
                raise Lost(f"{self.folder.name} was taken over by another process")
            for name, value in files.items():
                _put(self.folder / name, value)


def _of_this_form(value: Mapping[str, Any]) -> dict[str, Any]:
    return {"schema": store.SCHEMA, **value}


def _put(path: Path, value: Any) -> None:
    if isinstance(value, bytes):
        files.write_bytes(path, value)
    elif isinstance(value, list):
        files.write_lines(path, value)
    else:
        files.write_json(path, value)


class History(list):
    """Rows of a run, an epoch each, on disk whole after every `append` and after `[:] =`; `track` hears of new ones."""

    def __init__(self, writer: Writer, track: Callable[[Mapping[str, Any]], None]) -> None:
        super().__init__()
        self.writer, self.track = writer, track

    def append(self, row: dict[str, Any]) -> None:
        super().append(row)
        self.writer.history(self)
        self.track(row)

    def __setitem__(self, place: Any, rows: Any) -> None:
        super().__setitem__(place, rows)
        self.writer.history(self)


def predictions_of(splits: dict[str, Split], outcome: Outcome) -> bytes:
    """`predictions.parquet`: a row a clip of each split that was predicted."""
    tables = [
        pyarrow.table(
            {
                "clip_id": splits[name].index["id"][:],
                "split": [name] * len(probabilities),
                "epoch": np.full(len(probabilities), outcome.epoch, dtype=np.int32),
                "label": splits[name].labels_on_cpu.astype(np.int32),
                "prediction": probabilities.argmax(1).astype(np.int32),
                "probabilities": probabilities.astype(np.float32).tolist(),
            }
        )
        for name, probabilities in outcome.probabilities.items()
    ]
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.concat_tables(tables), sink)
    return sink.getvalue().to_pybytes()


def scores_of(
    outcome: Outcome, labels: Mapping[str, np.ndarray], metric: str, classes: Sequence[str]
) -> dict[str, Any]:
    """What a result says of a run's scores, by split: metrics, recalls, and the table of labels and predictions."""
    metrics, confusion, per_class = {}, {}, {}
    for name, probabilities in outcome.probabilities.items():
        found = evaluation.measure(probabilities, labels[name])
        confusion[name] = found.pop("confusion")
        recalls = scores.recalls(np.asarray(confusion[name])).tolist()
        per_class[name] = dict(zip(classes, recalls, strict=True))
        metrics[name] = found
    return {
        "epoch": outcome.epoch,
        "primary": metric,
        "classes": list(classes),
        "metrics": metrics,
        "per_class": per_class,
        "confusion": confusion,
    }


def heading(run: Run, train: Train, *, alarms: int = 0, errors: int = 0) -> dict[str, Any]:
    """What every result begins with, whatever became of the run."""
    return {
        "run_id": run.run_id,
        "dataset": run.dataset,
        "fold": run.fold,
        "method": str(run.method),
        "seed": run.seed,
        "selection": train.selection,
        "alarms": alarms,
        "errors": errors,
    }


def error_of(error: Exception, advice: str) -> dict[str, str]:
    """What a result says of the error that is being handled."""
    message = ": ".join(filter(None, (advice, str(error))))
    return {"type": type(error).__name__, "message": message, "traceback": traceback.format_exc()}
