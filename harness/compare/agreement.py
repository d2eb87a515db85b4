"""Whether two trainings of one run agree: in scores, predictions and history, to the last bit or nearly so.

Also whether a stored run agrees with itself: its scores are those of its predictions on any machine. Reads records
and knows no torch; which of the two degrees is asked of two machines is `verify`'s.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import scores
from harness.errors import BadInput
from harness.store import Record
from harness.store.flat import leaves
from harness.store.predictions import Predictions, read
from harness.words import plural

ABSENT = "–"
ROUNDING = 1e-9  # a sum over clips may be rounded otherwise on another machine
SINGLE = 1e-5  # the same in single precision, in which an epoch's scores are counted
TINY = 1e-6  # a loss below it is 0 for our purposes
# of a result: how it was trained, not what
HOW = ("schema", "run_id", "duration_s", "resumed", "unsaved", "retried", "untracked")


@dataclass(frozen=True)
class Agreement:
    """How far two trainings of a run are apart.

    `wrong` holds in words what no other machine explains, `unequal` names what is not the same to the last bit.
    """

    score: float  # the largest difference of a score
    which: str  # that score: "test war"; empty where all are the same
    flips: int  # clips that are predicted otherwise
    clips: int
    probability: float  # the mean difference of a probability
    loss: float  # the largest difference of an epoch's training loss, as a share of it
    wrong: list[str]
    unequal: list[str]

    @property
    def exact(self) -> bool:
        return not (self.wrong or self.unequal)


def contradictions(record: Record, predictions: Predictions) -> Iterator[str]:
    """Where a stored run disagrees with itself, in words."""
    if (predictions.probabilities.argmax(1) != predictions.predicted).any():
        yield "predictions are not the classes of the highest probability"
    epoch = _epoch(record)
    for split, told in record.result.get("metrics", {}).items():
        own = predictions.of(split)
        if not len(own.clips):
            yield f"no predictions for {split}, of which it tells scores"
            continue
        probabilities = own.probabilities.astype(np.float64)
        found = {name: metric(probabilities, own.labels) for name, metric in scores.BY_NAME.items()}
        for name, value in told.items():
            if name in found and not apart(found[name], value) <= ROUNDING:
                yield f"{split} {name} is told as {value}, its predictions give {found[name]}"
            if name in epoch.get(split, {}) and not apart(epoch[split][name], value) <= SINGLE:
                yield f"{split} {name} is told as {value}, the history of its epoch as {epoch[split][name]}"
        table = record.result.get("confusion", {}).get(split)
        if table is not None and scores.confusion(probabilities, own.labels).tolist() != table:
            yield f"confusion on {split} is not that of its predictions"


def apart(first: Any, second: Any) -> float:
    """How far two scores are from each other: as far as can be where one is missing or no number."""
    known = all(isinstance(value, int | float) and math.isfinite(value) for value in (first, second))
    return abs(first - second) if known else 1.0


def _epoch(record: Record) -> dict[str, Any]:
    """The row of its history that a result reports; empty where there is none."""
    history, epoch = record.history(), record.result.get("epoch", -1)
    return history[epoch] if 0 <= epoch < len(history) else {}


def compare(stored: Record, again: Record) -> Agreement:
    """How far `again` is from `stored`. Raises `BadInput` where the predictions of one can't be read."""
    before, after = read(stored.folder), read(again.folder)
    wrong, losses = list(contradictions(stored, before)), [_losses(record) for record in (stored, again)]
    if len(losses[0]) != len(losses[1]):
        wrong.append(f"{plural(len(losses[0]), 'epoch')} stored, {len(losses[1])} trained")
    flips, probability = len(before.clips), 1.0
    if not _same_clips(before, after):
        wrong.append("other clips or labels were predicted")
    elif before.probabilities.shape != after.probabilities.shape:
        wrong.append("other classes were predicted")
    else:
        flips = int((before.predicted != after.predicted).sum())
        probability = float(np.abs(before.probabilities - after.probabilities).mean(dtype=np.float64))
    score, which = max(_distances(stored, again), default=(0.0, ""))
    loss = max((abs(a - b) / max(abs(a), TINY) for a, b in zip(*losses, strict=False)), default=0.0)
    unequal = [*_unequal(stored, again), *(["predictions"] if flips or probability else [])]
    return Agreement(score, which, flips, len(before.clips), probability, loss, wrong, unequal)


def _same_clips(first: Predictions, second: Predictions) -> bool:
    same = first.splits.equals(second.splits) and first.clips.equals(second.clips)
    return same and np.array_equal(first.labels, second.labels)


def _losses(record: Record) -> list[float]:
    """The training loss of each epoch."""
    try:
        return [float(row["losses"]["total"]) for row in record.history()]
    except (KeyError, TypeError, ValueError) as error:
        where = str(record.folder / "history.jsonl")
        raise BadInput(where, "an epoch has no loss", "delete the run's folder to train it again") from error


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, list[str]]:
    """What differs between two nested mappings: `train.lr` → both values as text, `ABSENT` where there is none."""
    flat = [{name: _spelled(value) for name, value in leaves(facts)} for facts in (first, second)]
    keys = dict.fromkeys([*flat[0], *flat[1]])
    return {key: [each.get(key, ABSENT) for each in flat] for key in keys if flat[0].get(key) != flat[1].get(key)}


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _distances(stored: Record, again: Record) -> Iterator[tuple[float, str]]:
    """The difference of each score that one of them tells; one that the other lacks is as far as can be."""
    told = [record.result.get("metrics", {}) for record in (stored, again)]
    for split in dict.fromkeys([*told[0], *told[1]]):
        for name in dict.fromkeys([*told[0].get(split, {}), *told[1].get(split, {})]):
            values = [metrics.get(split, {}).get(name) for metrics in told]
            distance = apart(*values)
            if distance:
                yield distance, f"{split} {name}"


def _unequal(stored: Record, again: Record) -> Iterator[str]:
    results = [_training(record.result) for record in (stored, again)]
    yield from (key for key in dict.fromkeys([*results[0], *results[1]]) if results[0].get(key) != results[1].get(key))
    if _epochs(stored) != _epochs(again):
        yield "history"
    if _alarms(stored) != _alarms(again):
        yield "alarms"


def _training(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a result says of the training; the notes on how the data was read hold paths."""
    counts = {key: value for key, value in result.get("counts", {}).items() if key != "notes"}
    return {key: value for key, value in {**result, "counts": counts}.items() if key not in HOW}


def _epochs(record: Record) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in HOW} for row in record.history()]


def _alarms(record: Record) -> list[tuple[Any, ...]]:
    return [(alarm["severity"], alarm["sentinel"], alarm.get("epoch")) for alarm in record.alarms()]
