"""What each factor does, whether two change each other, and what happens to single classes: effects on test scores.

Each row is the mean over seeds of a difference between runs (`paired`), with an interval for both the seeds and the
test clips. Which statistic and why stands in `harness.statistics`; this room decides which rows there are and in
which families they are read.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.leaderboard.board import Board
from harness.leaderboard.comparisons import FACTOR, INTERACTION, Comparison, Pair, comparisons
from harness.leaderboard.paired import Difference, Measured, class_of, from_scores, measure
from harness.leaderboard.sheets import number
from harness.leaderboard.weighing import Weigher
from harness.statistics import Effect, effect, holm, mean, shared_variance, sure, verdict
from harness.store.index import METRICS

ALL = "all"
SINGLE_CLASS = "class"
_DIGITS = 6  # of what is computed from sums over clips, whose last digits differ between processors


@dataclass(frozen=True)
class Row:
    """The effect of one comparison on one metric of one data set (or of `all`: the mean over them).

    `said` spells out what is compared with what; `kind` is "factor" or "interaction", of which `pairs` are the factors.
    `over` are the data sets that a row of `all` is the mean over: those that have the comparison at all.
    """

    dataset: str
    metric: str
    factor: str
    effect: Effect
    kind: str = FACTOR
    said: str = ""
    pairs: tuple[Pair, ...] = ()
    over: tuple[str, ...] = ()
    p_holm: float | None = None

    @property
    def family(self) -> tuple[str, str]:
        """The table that the row is read in. One of single classes holds all classes of a data set."""
        return (SINGLE_CLASS, self.dataset) if class_of(self.metric) is not None else (self.kind, self.metric)

    @property
    def sure(self) -> bool:
        """Whether the effect can be told from nothing after Holm's correction over its table."""
        return sure(self.p_holm)

    @property
    def word(self) -> str:
        """What the effect comes to."""
        return verdict(self.effect.effect, self.p_holm, self.metric)


@dataclass(frozen=True)
class Ablation:
    """All rows, corrected table by table; how runs were weighed for them, with all comparisons that were asked for;
    the runs (by id) whose predictions are missing or can't be used; and by data set and metric the variance of a run's
    score for the draw of its test clips (the mean over runs).
    """

    rows: list[Row]
    weigher: Weigher
    unread: frozenset[str]
    drawn: Mapping[tuple[str, str], float]


def ablation(board: Board) -> Ablation:
    asked = comparisons(board)
    weigher = Weigher(board, asked)
    found = {dataset: from_scores(board, dataset, weigher) for dataset in board.datasets}
    shared = {
        metric: [_shared([part[metric][place] for part in found.values()]) for place in range(len(asked))]
        for metric in METRICS
    }
    measured = {name: measure(board, name, weigher, found[name], shared) for name in board.datasets}
    rows = [row for name, part in measured.items() for row in _of_one(board, name, part, asked)]
    if len(measured) > 1:
        rows += _of_all(board, measured, asked, shared)
    unread = frozenset(run_id for part in measured.values() for run_id in part.unread)
    drawn = {(name, m): mean(values) for name, part in measured.items() for m, values in part.drawn.items() if values}
    return Ablation(_corrected(_in_order(rows)), weigher, unread, drawn)


def as_rows(rows: Sequence[Row]) -> list[list[str]]:
    """Header and rows of ablation.csv; effects are fractions, as the scores in results.csv are.

    `seed_sd` is the standard deviation of the seeds' differences, `clip_sd` what a draw of other clips adds to the
    mean over all seeds; empty where it isn't known.
    """
    header = ["dataset", "metric", "factor", "effect", "ci_low", "ci_high", "p", "p_holm", "n_pairs"]
    table = [[*header, "n_seeds", "seed_sd", "clip_sd", "kind", "compared"]]
    for row in rows:
        found = row.effect
        told = [number(x, _DIGITS) for x in (found.low, found.high, found.p, row.p_holm)]
        spread = [
            number(None if x is None else math.sqrt(x), _DIGITS) for x in (found.seed_variance, found.clip_variance)
        ]
        place = [row.dataset, row.metric, row.factor]
        table.append(
            [*place, number(found.effect), *told, str(found.n_pairs), str(found.n_seeds), *spread, row.kind, row.said]
        )
    return table


def _shared(parts: Sequence[Mapping[int, Difference]]) -> set[int]:
    """The seeds that every data set has which has the comparison at all: a mean over other data sets is another one."""
    having = [set(part) for part in parts if part]
    return set.intersection(*having) if len(having) > 1 else set()


def _of_one(board: Board, dataset: str, part: Measured, asked: Sequence[Comparison]) -> list[Row]:
    rows = []
    for metric, by_comparison in part.differences.items():
        for place, found in enumerate(by_comparison):
            if found:
                sums = part.own[metric].at(place) if part.own else None
                rows.append(_row(board, dataset, metric, asked[place], found, sums))
    return rows


def _of_all(
    board: Board,
    measured: Mapping[str, Measured],
    asked: Sequence[Comparison],
    shared: Mapping[str, Sequence[set[int]]],
) -> list[Row]:
    """The mean over the data sets, seed by seed. Each has its own clips, so what they add is added up."""
    rows = []
    for metric, place in ((metric, place) for metric in METRICS for place in range(len(asked))):
        over = tuple(name for name, part in measured.items() if part.differences[metric][place])
        having = [measured[name] for name in over]
        found = {}
        for seed in shared[metric][place]:
            each = [part.differences[metric][place][seed] for part in having]
            found[seed] = Difference(mean([d.value for d in each]), sum(d.n_pairs for d in each))
        sums = [part.shared[metric].at(place) if part.shared else None for part in having]
        known = [each for each in sums if each]
        total = [math.fsum(column) / len(having) ** 2 for column in zip(*known, strict=True)]
        if found:
            both = (total[0], total[1]) if len(known) == len(having) else None
            rows.append(replace(_row(board, ALL, metric, asked[place], found, both), over=over))
    return rows


def _row(
    board: Board,
    dataset: str,
    metric: str,
    asked: Comparison,
    found: Mapping[int, Difference],
    sums: tuple[float, float] | None,
) -> Row:
    seeds = [seed for seed in board.seeds if seed in found]
    first = (board.until or {}).get("pilot", 0)
    pilot = first if first and tuple(seeds[:first]) == board.seeds[:first] else None
    n_pairs = sum(difference.n_pairs for difference in found.values())
    of_clips = shared_variance(*sums, len(seeds)) if sums else None
    told = effect([found[seed].value for seed in seeds], n_pairs, of_clips, pilot)
    return Row(dataset, metric, asked.name, told, asked.kind, asked.said, asked.pairs)


def _in_order(rows: Sequence[Row]) -> list[Row]:
    """Factors, then interactions, then single classes; metric by metric, so that a table's rows stand together."""
    metrics = {metric: place for place, metric in enumerate(METRICS)}
    tables = {FACTOR: 0, INTERACTION: 1, SINGLE_CLASS: 2}
    return sorted(rows, key=lambda row: (tables[row.family[0]], metrics.get(row.metric, 0)))


def _corrected(rows: Sequence[Row]) -> list[Row]:
    """Each row with its p corrected for all rows of the table that it is read in."""
    families: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        families[row.family].append(place)
    told = list(rows)
    for places in families.values():
        corrected = holm([rows[place].effect.p for place in places])
        for place, p in zip(places, corrected, strict=True):
            told[place] = replace(rows[place], p_holm=p)
    return told
