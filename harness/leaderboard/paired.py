"""Differences between runs, seed by seed, and how far the test clips alone could move them.

The difference of a seed is a weighted sum of its runs' scores, and what each clip contributes to it is the same
weighted sum of the runs' influences. Runs are read one after another, and of the seeds only two sums are kept, Σ φ and
Σ |φ|², from which the covariance of seeds that share their clips is known: memory grows with the number of clips and
of comparisons, and not with that of runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from harness.files import Damaged, read_json
from harness.leaderboard import predictions
from harness.leaderboard.board import Board, Run
from harness.leaderboard.comparisons import FACTOR
from harness.leaderboard.predictions import Clips
from harness.leaderboard.weighing import Weigher, Weighing, by_seed
from harness.scores import confusion, recalls
from harness.statistics import influence, recall_influence
from harness.store.index import METRICS
from harness.store.predictions import FILE

_RECALL = "recall:"  # before the class, in the name of a metric
_TOGETHER = 32  # runs whose influences are in memory at once
_DECIMALS = 12  # of a difference: what is left after them is rounding


class Difference(NamedTuple):
    value: float
    n_pairs: int


# By metric and then comparison, a difference for each seed that has one.
Differences = dict[str, list[dict[int, Difference]]]


class Sums:
    """What the clips contribute to some comparisons, summed over seeds."""

    def __init__(self, comparisons: int) -> None:
        self._total = np.zeros((comparisons, 0))
        self._squares = np.zeros(comparisons)
        self._whole = np.ones(comparisons, bool)

    def add(self, contributed: np.ndarray, counted: np.ndarray, whole: np.ndarray) -> None:
        """One seed's contributions φ `[C, clips]`; of comparisons that aren't `counted` nothing is added.

        `whole` is false where a run that a comparison needs has no predictions.
        """
        self._total = _wide(self._total, contributed.shape[1])
        self._total[counted] += contributed[counted]
        self._squares[counted] += np.square(contributed[counted]).sum(1)
        self._whole &= whole | ~counted

    def at(self, comparison: int) -> tuple[float, float] | None:
        """|Σ φ|² and Σ |φ|² of one comparison; None where they aren't known."""
        if not self._whole[comparison]:
            return None
        return float(np.square(self._total[comparison]).sum()), float(self._squares[comparison])


@dataclass
class Measured:
    """One data set's differences and, by metric, its clips' sums: over all seeds, and over those all data sets share.

    Without any predictions there are no sums. `drawn` is, by metric, each read run's Σ φ²: the variance of its score
    for the draw of clips. `unread` are the runs whose predictions are missing or can't be used.
    """

    differences: Differences
    own: dict[str, Sums] = field(default_factory=dict)
    shared: dict[str, Sums] = field(default_factory=dict)
    drawn: dict[str, list[float]] = field(default_factory=lambda: {metric: [] for metric in METRICS})
    unread: list[str] = field(default_factory=list)


def recall(name: str) -> str:
    """The metric that is one class's recall."""
    return _RECALL + name


def class_of(metric: str) -> str | None:
    """The class that a metric is the recall of, if it is one."""
    return metric.removeprefix(_RECALL) if metric.startswith(_RECALL) else None


def from_scores(board: Board, dataset: str, weigher: Weigher) -> Differences:
    """The differences of stored scores."""
    found: Differences = {metric: [{} for _ in weigher.comparisons] for metric in METRICS}
    for seed, runs in by_seed(board, dataset):
        for metric, by_comparison in found.items():
            scores = [run.score("test", metric) for run in runs]
            weighing = weigher(runs, [score is not None for score in scores])
            _put(by_comparison, seed, weighing, weighing.weights @ [score or 0.0 for score in scores])
    return found


def measure(
    board: Board, dataset: str, weigher: Weigher, found: Differences, shared: Mapping[str, Sequence[set[int]]]
) -> Measured:
    """Adds to differences what only predictions tell: the clips' part, and the recall of each class.

    `shared` are, by metric and comparison, the seeds for which every data set has a difference.
    """
    classes = _classes(board, dataset)
    if not classes:
        return Measured(found, unread=[run.run_id for run in board.of(dataset)])
    singles = sum(comparison.kind == FACTOR for comparison in weigher.comparisons)
    rows = dict.fromkeys(METRICS, len(weigher.comparisons)) | dict.fromkeys(map(recall, classes), singles)
    measured = Measured({**found, **{recall(name): [{} for _ in range(singles)] for name in classes}})
    measured.own = {metric: Sums(count) for metric, count in rows.items()}
    measured.shared = {metric: Sums(rows[metric]) for metric in METRICS}
    clips = Clips()
    for seed, runs in by_seed(board, dataset):
        _add(measured, seed, _Seed(runs, weigher, rows, clips), shared)
    return measured


def _add(measured: Measured, seed: int, read: _Seed, shared: Mapping[str, Sequence[set[int]]]) -> None:
    measured.unread += read.unread()
    for metric, values in read.drawn.items():
        measured.drawn[metric] += values
    for metric, by_comparison in measured.differences.items():
        whole = read.whole(metric)
        if metric in read.recalls:
            _put(by_comparison, seed, read.weighings[metric], read.recalls[metric])
        counted = np.array([seed in seeds for seeds in by_comparison], bool)
        measured.own[metric].add(read.clips[metric], counted, whole)
        if metric in measured.shared:
            counted = np.array([seed in seeds for seeds in shared[metric]], bool)
            measured.shared[metric].add(read.clips[metric], counted, whole)


def _put(by_comparison: Sequence[dict[int, Difference]], seed: int, weighing: Weighing, values: np.ndarray) -> None:
    for place in map(int, np.flatnonzero(weighing.n_pairs)):
        by_comparison[place][seed] = Difference(round(float(values[place]), _DECIMALS), int(weighing.n_pairs[place]))


class _Seed:
    """One seed's comparisons as its runs' predictions tell them: what each clip adds to them, and the recalls.

    `rows` says how many of the comparisons, the first, are made for each metric.
    """

    def __init__(self, runs: Sequence[Run], weigher: Weigher, rows: Mapping[str, int], clips: Clips) -> None:
        self.runs = runs
        self.there = np.array([(run.folder / FILE).exists() for run in runs])
        self._known = {metric: [run.score("test", metric) is not None for run in runs] for metric in METRICS}
        while not self._read_all(weigher, rows, clips):
            pass

    def _read_all(self, weigher: Weigher, rows: Mapping[str, int], clips: Clips) -> bool:
        """False where some that were there could not be read: recalls were weighed as if they could, so once more."""
        there = self.there.copy()
        self.weighings = {
            metric: Weighing(*(part[:count] for part in weigher(self.runs, self._known.get(metric, there.tolist()))))
            for metric, count in rows.items()
        }
        self.clips = {metric: np.zeros((count, 0)) for metric, count in rows.items()}
        self.recalls = {metric: np.zeros(count) for metric, count in rows.items() if class_of(metric) is not None}
        self.drawn: dict[str, list[float]] = {metric: [] for metric in METRICS}
        for start in range(0, len(self.runs), _TOGETHER):
            self._read_some(slice(start, start + _TOGETHER), clips)
        return bool((there == self.there).all())

    def _read_some(self, some: slice, clips: Clips) -> None:
        """Adds a few runs' parts to the comparisons."""
        runs = zip(self.runs[some], self.there[some], strict=True)
        parts = [self._part(run, clips) if there else None for run, there in runs]
        self.there[some] = [part is not None for part in parts]
        for metric, weighing in self.weighings.items():
            weights = weighing.weights[:, some]
            told = np.zeros((len(parts), len(clips)))
            for row, part in zip(told, parts, strict=True):
                if part:
                    row[part.places] = part.influences[metric]
            self.clips[metric] = _wide(self.clips[metric], len(clips)) + weights @ told
            if metric in self.recalls:
                self.recalls[metric] += weights @ [part.recalls[metric] if part else 0.0 for part in parts]

    def _part(self, run: Run, clips: Clips) -> _Part | None:
        """What one run's predictions tell; None where they can't be used."""
        found = predictions.read(run.folder)
        if found is None or found.probabilities.shape[1] != len(self.recalls):
            return None
        told = found.probabilities, found.labels
        influences = {metric: influence(metric, *told) for metric in METRICS}
        influences |= {metric: recall_influence(*told, label) for label, metric in enumerate(self.recalls)}
        for metric, values in self.drawn.items():
            values.append(float(np.square(influences[metric]).sum()))
        each = recalls(confusion(*told))
        return _Part(clips.places(found.clips), influences, dict(zip(self.recalls, each, strict=True)))

    def unread(self) -> list[str]:
        return [run.run_id for run, there in zip(self.runs, self.there, strict=True) if not there]

    def whole(self, metric: str) -> np.ndarray:
        """For which comparisons every run that they need has predictions."""
        return np.asarray(~self.weighings[metric].weights[:, ~self.there].any(1))


class _Part(NamedTuple):
    places: np.ndarray
    influences: dict[str, np.ndarray]
    recalls: dict[str, float]


def _classes(board: Board, dataset: str) -> list[str]:
    """The names of a data set's classes, from the first of its runs that has predictions."""
    for run in board.of(dataset):
        if (run.folder / FILE).exists():
            try:
                return list(map(str, read_json(run.folder / "result.json").get("classes", ())))
            except (OSError, Damaged):  # gone, or overwritten, since it was indexed
                continue
    return []


def _wide(table: np.ndarray, columns: int) -> np.ndarray:
    """The table with as many columns of zeros as it lacks."""
    return np.pad(table, ((0, 0), (0, columns - table.shape[1])))
