"""What each factor does: paired effects on the test scores, per data set and over all of them.

A pair is two finished runs that differ in one factor and in nothing else. Which statistic and why stands in
`harness.statistics`; this room only picks the pairs and lays out the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.index import METRICS
from harness.leaderboard.results import Board
from harness.leaderboard.sheets import number
from harness.statistics import LEVEL, Cell, Effect, average, differences, effect, holm, seed_means

ALL = "all"


@dataclass(frozen=True)
class Row:
    """One factor's effect on one metric of one data set (or of `all`: the mean over them)."""

    dataset: str
    metric: str
    factor: str
    effect: Effect
    p_holm: float | None = None

    @property
    def word(self) -> str:
        """What the effect comes to after Holm's correction over all rows of the metric."""
        if self.p_holm is None or self.p_holm >= 1 - LEVEL:
            return "can't tell"
        better = self.effect.effect > 0
        if self.metric == "ece":  # the one metric that is an error
            better = not better
        return "helps" if better else "hurts"


def ablation(board: Board) -> list[Row]:
    """The rows of ablation.csv, corrected metric by metric: a table of one metric is the family one reads."""
    rows: list[Row] = []
    for metric in METRICS:
        family = _family(board, metric)
        corrected = holm([row.effect.p for row in family])
        rows += [replace(row, p_holm=p) for row, p in zip(family, corrected, strict=True)]
    return rows


def as_rows(rows: list[Row]) -> list[list[str]]:
    """Header and rows of ablation.csv; effects are fractions, as the scores in results.csv are."""
    table = [["dataset", "metric", "factor", "effect", "ci_low", "ci_high", "p", "p_holm", "n_pairs"]]
    for row in rows:
        numbers = [row.effect.effect, row.effect.low, row.effect.high, row.effect.p, row.p_holm]
        table.append([row.dataset, row.metric, row.factor, *map(number, numbers), str(row.effect.n_pairs)])
    return table


def _family(board: Board, metric: str) -> list[Row]:
    scores = {dataset: _scores(board, dataset, metric) for dataset in board.datasets}
    rows: dict[str, list[Row]] = {dataset: [] for dataset in (*board.datasets, ALL)}
    for place, factor in enumerate(board.factors):
        for level, name in factor.contrasts:
            parts = []
            for dataset in board.datasets:
                found = differences(scores[dataset], place, level)
                if found:
                    parts.append(found)
                    rows[dataset].append(Row(dataset, metric, name, _effect(seed_means(found), [found])))
            over_all = average([seed_means(part) for part in parts]) if len(parts) > 1 else {}
            if over_all:
                rows[ALL].append(Row(ALL, metric, name, _effect(over_all, parts)))
    return [row for dataset in rows for row in rows[dataset]]


def _effect(per_seed: Mapping[int, float], parts: Sequence[Mapping[int, Sequence[float]]]) -> Effect:
    n_pairs = sum(len(pairs) for part in parts for seed, pairs in part.items() if seed in per_seed)
    return effect(list(per_seed.values()), n_pairs)


def _scores(board: Board, dataset: str, metric: str) -> Mapping[Cell, float]:
    scores = {}
    for run in board.of(dataset):
        score = run.score("test", metric)
        if score is not None:
            scores[Cell(run.levels, (run.fold, board.variant(run)), run.seed)] = score
    return scores
