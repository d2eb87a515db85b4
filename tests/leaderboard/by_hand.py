"""Effects reckoned by hand from all predictions at once, beside those that an ablation finds in a store."""

from __future__ import annotations

from typing import Any

import numpy as np
import predicted
from stored import plan_of

from harness import scores
from harness.leaderboard.ablation import Ablation, Row, ablation
from harness.leaderboard.results import load
from harness.statistics import influence
from harness.store import Store

SEEDS = (0, 1, 2)


def of(store: Store) -> Ablation:
    return ablation(load([store], "demo"))


def row_of(found: Ablation, dataset: str, metric: str, factor: str) -> Row:
    (row,) = [row for row in found.rows if (row.dataset, row.metric, row.factor) == (dataset, metric, factor)]
    return row


def cells(dataset: str, seed: int) -> dict[tuple[int, ...], dict[str, Any]]:
    plan = plan_of([dataset], [seed])
    return {tuple(row["levels"].values()): row for row in plan["runs"]}


def mean_pair(dataset: str, seed: int, of_run: Any) -> Any:
    """The effect of moco: the mean over the pairs of one seed."""
    rows = cells(dataset, seed)
    return np.mean([of_run(rows[a, b, 1]) - of_run(rows[a, b, 0]) for a, b in ((0, 0), (1, 0), (1, 1))], axis=0)


def score(metric: str) -> Any:
    return lambda row: getattr(scores, metric)(*predicted.of(row)[::-1])


def clips(metric: str) -> Any:
    return lambda row: influence(metric, *predicted.of(row)[::-1])
