"""What a board comes to beyond single effects: how methods stand over all data sets, what scores vary with, the
smallest effect that could have been found, and what is published.

Methods are held against each other only where their runs are complete: a mean or a rank over other data sets or seeds
would be another number. Which estimators, and why, stands in `harness.statistics`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.leaderboard.ablation import ALL, Ablation, Row
from harness.leaderboard.board import Board
from harness.leaderboard.comparisons import FACTOR
from harness.leaderboard.published import Published, published
from harness.leaderboard.wording import SHOWN, primary
from harness.statistics import (
    LEVEL,
    Estimate,
    Ranks,
    Split,
    average_ranks,
    detectable,
    interquartile_mean,
    mean,
    probability_of_improvement,
    variance_split,
)

POWER = 0.8  # of the smallest effect that is told: how often it is found
WHOLE = 1.0  # no two scores differ by more, so an effect above it is none that could be found


@dataclass(frozen=True)
class Standing:
    """One method over all data sets. `better` is how often it beats the baseline; None for the baseline itself."""

    method: str
    levels: tuple[int, ...]
    middle: Estimate
    better: Estimate | None


@dataclass(frozen=True)
class Standings:
    """The complete methods by one metric, in the design's order; ranks need two data sets."""

    methods: tuple[Standing, ...]
    ranks: Ranks | None


@dataclass(frozen=True)
class Summary:
    """`seeds` are those that the standings are over, `lacking` the methods left out of them for want of runs, and
    `disagreeing` the data sets whose runs disagree in their settings, for which there are no standings at all.

    `splits` and `least` (of each factor the smallest effect that would be found with a power of 80 % after correction;
    None where none would be) are by data set, or `all`, and metric. `unread` are the runs whose predictions are missing
    or can't be used.
    """

    seeds: tuple[int, ...]
    lacking: tuple[str, ...]
    disagreeing: tuple[str, ...]
    standings: Mapping[str, Standings]
    splits: Mapping[tuple[str, str], Split]
    least: Mapping[tuple[str, str], Mapping[str, float | None]]
    published: Mapping[str, tuple[Published, ...]]
    unread: frozenset[str]


def summary(board: Board, found: Ablation) -> Summary:
    disagreeing = tuple(dataset for dataset in board.datasets if board.differing[dataset])
    scores = {} if disagreeing else {metric: _scores(board, metric) for metric in SHOWN}
    planned = _planned(board)
    complete = {method for method in planned if all(method in of for of in scores.values())} if scores else set()
    tables = {metric: {m: of[m] for m in planned if m in complete} for metric, of in scores.items()}
    return Summary(
        seeds=_seeds(board),
        lacking=tuple(method for method in planned if method not in complete) if scores else (),
        disagreeing=disagreeing,
        standings={metric: _standings(table, planned) for metric, table in tables.items() if table},
        splits=_splits(board, tables, found),
        least=_least(found.rows),
        published={dataset: known for dataset in board.datasets if (known := published(dataset))},
        unread=found.unread,
    )


Table = dict[str, np.ndarray]  # by method, its scores [data sets, seeds]


def _seeds(board: Board) -> tuple[int, ...]:
    """The seeds that are planned for every data set."""
    planned = [{run.seed for run in board.runs if run.dataset == dataset} for dataset in board.datasets]
    return tuple(seed for seed in board.seeds if all(seed in seeds for seeds in planned))


def _planned(board: Board) -> dict[str, tuple[int, ...]]:
    """Every method with its levels, in the design's order."""
    return {run.method: run.levels for run in board.runs}


def _scores(board: Board, metric: str) -> Table:
    """The scores of the methods that have one for every data set and seed."""
    seeds, found = _seeds(board), {}
    parts = [
        {method: board.per_seed(runs, metric) for (method, _), runs in board.methods(dataset).items()}
        for dataset in board.datasets
    ]
    for method in _planned(board):
        rows = [part.get(method, {}) for part in parts]
        if seeds and all(seed in row for row in rows for seed in seeds):
            found[method] = np.array([[row[seed] for seed in seeds] for row in rows])
    return found


def _standings(table: Table, levels: Mapping[str, tuple[int, ...]]) -> Standings:
    baseline = next((method for method in table if not any(levels[method])), None)
    methods = []
    told = {method: scores.tolist() for method, scores in table.items()}
    for method, scores in told.items():
        better = probability_of_improvement(scores, told[baseline]) if baseline and method != baseline else None
        methods.append(Standing(method, levels[method], interquartile_mean(scores), better))
    blocks = np.array([scores.mean(1) for scores in table.values()]).T
    return Standings(tuple(methods), average_ranks(blocks) if min(blocks.shape) > 1 else None)


def _splits(board: Board, tables: Mapping[str, Table], found: Ablation) -> dict[tuple[str, str], Split]:
    splits = {}
    for metric, table in tables.items():
        if not table:
            continue
        scores = np.array(list(table.values())).transpose(1, 0, 2)
        parts = {dataset: scores[place : place + 1] for place, dataset in enumerate(board.datasets)}
        drawn = [found.drawn.get((dataset, metric)) for dataset in board.datasets]
        clips = dict(zip(board.datasets, drawn, strict=True))
        if len(parts) > 1:
            parts[ALL] = scores
            clips[ALL] = None if None in drawn else mean([each for each in drawn if each is not None])
        for dataset, part in parts.items():
            if split := variance_split(part, clips[dataset]):
                splits[dataset, metric] = split
    return splits


def _least(rows: Sequence[Row]) -> dict[tuple[str, str], dict[str, float | None]]:
    """By the variances of each factor's own effect, as `harness plan` judges them."""
    found: dict[tuple[str, str], dict[str, float | None]] = {}
    for metric in SHOWN:
        table = [row for row in rows if row.family == (FACTOR, metric) and row.effect.p is not None]
        for row in table:
            effect, level = row.effect, strictest(len(table))
            seeds, clips = effect.seed_variance or 0.0, effect.clip_variance or 0.0
            least = detectable(seeds, clips, effect.n_seeds, level, POWER, effect.freedom)
            if least is not None:
                found.setdefault((row.dataset, metric), {})[row.factor] = least if least <= WHOLE else None
    return found


def strictest(tests: int) -> float:
    """The level of one test in Holm's first step, over a table of so many effects: what passes it is found there."""
    return 1 - (1 - LEVEL) / tests


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────


def span_of(least: Mapping[str, float | None]) -> tuple[str, list[str]]:
    """The points from which on effects of factors are found, as `12.4 (warmup) to 26.3 (moco)`; and the factors of
    which none is."""
    sizes = sorted((size, factor) for factor, size in least.items() if size is not None)
    ends = [f"{100 * size:.1f}" + f" ({factor})" * (len(least) > 1) for size, factor in (sizes[:1] + sizes[1:][-1:])]
    return " to ".join(ends), [factor for factor, size in least.items() if size is None]


def until_in_words(board: Board, rows: Sequence[Row]) -> str:
    """How it was decided how many seeds there are; empty where no rule did."""
    if not board.until:
        return ""
    width, pilot = 100 * board.until["width"], board.until["pilot"]
    wish = f"no wider than {width:.1f} points (Stein's rule)"
    intervals = "the intervals of the factors on each data set's primary metric"
    if len(board.seeds) > pilot:
        return (
            f"Seeds were added until {intervals} were expected to be {wish}: where all of the first {pilot} seeds are "
            "done, their spread alone makes the interval, since a spread that decided when to stop is too small."
        )
    none = f"Seeds were to be added until {intervals} are {wish}, and none were: "
    if len(board.done) < len(board.runs):
        return f"{none}not all runs of the first {pilot} seeds are done."
    asked = [row for row in rows if row.kind == FACTOR and row.metric == primary(board, row.dataset)]
    if all(_narrow(row, board.until["width"]) for row in asked if row.dataset != ALL):
        return f"{none}the first {pilot} seeds are enough."
    return f"{none}no number of seeds that can be trained was expected to be enough for all of them."


def _narrow(row: Row, width: float) -> bool:
    low, high = row.effect.low, row.effect.high
    return low is not None and high is not None and high - low <= width * (1 + 1e-9)  # of it, rounding
