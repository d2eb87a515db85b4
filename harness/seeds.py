"""How many seeds: what the planned ones can show, how many a wanted effect takes, and how many a narrow interval.

All of it is reckoned from the spread of the runs that a grid has done already (its pilot), factor by factor, on each
data set's primary metric. `harness plan` tells it beforehand; `harness run --until` adds the seeds.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

from harness import statistics
from harness.errors import BadInput
from harness.grid import MOST_SEED, Grid
from harness.leaderboard import results
from harness.leaderboard.ablation import FACTOR, Row, ablation
from harness.leaderboard.board import Board
from harness.statistics import LEVEL
from harness.store import Store

WANTED = (0.01, 0.02, 0.05)  # effects, as fractions, for which `plan` tells the seeds that they take
POWER = 0.8  # how often an effect of the size told is found
PILOT = 3  # seeds at least: intervals after two cover too little (docs/statistics.md)
MOST = 100  # seeds that `--until` trains at most: more are a wish that more clips would serve better


@dataclass(frozen=True)
class Until:
    """When seeds are enough: at a number of them, or when every factor's interval is narrower than `width`."""

    seeds: int = 0
    width: float = 0.0  # of the 95 % interval, as a fraction


def read(text: str) -> Until:
    """`ci<1.0` (points, from end to end) or `seeds=8`. Raises `BadInput`."""
    if match := re.fullmatch(r"ci *< *([0-9]{1,3}(?:\.[0-9]{1,6})?)", text.strip()):
        if float(match[1]) > 0:
            return Until(width=float(match[1]) / 100)
    elif (match := re.fullmatch(r"seeds *= *([0-9]{1,6})", text.strip())) and 0 < int(match[1]) <= MOST:
        return Until(seeds=int(match[1]))
    mend = f'write "ci<1.0" (points, the whole width of a 95 % interval) or "seeds=8" (at most {MOST})'
    raise BadInput("--until", f"{text!r} can't be read", mend)


def extended(grid: Grid, count: int) -> Grid:
    """The grid with the first `count` of its seeds, and where it has fewer with others: the smallest not yet taken."""
    others = (seed for seed in range(MOST_SEED) if seed not in grid.seeds)
    seeds = tuple(itertools.islice(itertools.chain(grid.seeds, others), count))
    selected = grid.selected
    if selected is not None:
        selected |= {(dataset, method, seed) for dataset, method, _ in selected for seed in seeds}
    return dataclasses.replace(grid, seeds=seeds, selected=selected)


def needed(store: Store, plan: Mapping[str, Any], width: float) -> int:
    """Stein's second stage (1945): how many seeds make every interval narrower, by the runs of the plan's own seeds.

    Raises `BadInput` where the spread can't be judged, or where no number of seeds that can be trained is enough.
    """
    board, pilot = results.of_plan(store, plan), len({row["seed"] for row in plan["runs"]})
    counts: dict[int, Row] = {}
    for row in _rows(board):
        found = row.effect
        if found.seed_variance is None:
            raise BadInput(
                "--until", f"{row.factor} on {row.dataset} has too few finished pairs", "train the grid first"
            )
        if not found.seed_variance:  # the seeds agree to the last digit: no more of them would differ
            continue
        count = statistics.stein(found.seed_variance, pilot, found.clip_variance or 0.0, width)
        if count is None or count > MOST:
            raise BadInput("--until", _why_not(row, count, width), "ask for a wider interval, or get more test clips")
        counts[count] = row
    return max(counts, default=pilot)


def _why_not(row: Row, count: int | None, width: float) -> str:
    of = f"the interval of {row.factor} on {row.dataset} ({row.metric.upper()})"
    if count is None:
        return (
            f"no number of seeds makes {of} narrower than {100 * width:g} points: the draw of test clips alone is wider"
        )
    return f"it takes {count} seeds to make {of} narrower than {100 * width:g} points, and {MOST} are the most"


def outlook(store: Store, plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each data set and factor the smallest effect that the planned seeds find, and the seeds for wanted ones.

    Empty while no pair of two seeds is done. With Holm's correction in its strictest step, so a table finds no less.
    """
    if not any(row["status"] == "done" for row in plan["runs"]):
        return []
    board, planned = results.of_plan(store, plan), len({row["seed"] for row in plan["runs"]})
    rows = [row for row in _rows(board) if row.effect.seed_variance]
    return [_told(row, planned, _level(rows, row.metric)) for row in rows]


def _told(row: Row, planned: int, level: float) -> dict[str, Any]:
    seeds, clips = row.effect.seed_variance or 0.0, row.effect.clip_variance or 0.0
    least = statistics.detectable(seeds, clips, planned, level, POWER)
    needed = {f"{effect:g}": statistics.seeds_needed(effect, seeds, clips, level, POWER) for effect in WANTED}
    return {"dataset": row.dataset, "metric": row.metric, "factor": row.factor, "effect": least, "seeds": needed}


def _level(rows: Sequence[Row], metric: str) -> float:
    """Of one test in a table of so many."""
    return 1 - (1 - LEVEL) / sum(row.metric == metric for row in rows)


def _rows(board: Board) -> Iterator[Row]:
    """The effects of the factors on each data set's primary metric."""
    primary = {name: next((entry.primary for entry in board.entries(name)), "") for name in board.datasets}
    for row in ablation(board).rows:
        if row.kind == FACTOR and row.metric == primary.get(row.dataset):
            yield row


def as_lines(found: Sequence[Mapping[str, Any]], seeds: int) -> list[str]:
    """The outlook for people."""
    if not found:
        return ["unknown until two seeds of a pair are done"]
    head = ["data set", "metric", "factor", f"least effect at {seeds} seeds"]
    cells = [
        [
            row["dataset"],
            row["metric"].upper(),
            row["factor"],
            "–" if row["effect"] is None else f"{100 * row['effect']:.1f} points",
            *("more clips" if count is None else f"{count:,}" for count in row["seeds"].values()),
        ]
        for row in found
    ]
    wanted = [f"seeds for {100 * effect:g}" for effect in WANTED]
    table = tabulate(cells, [*head, *wanted], disable_numparse=True, colalign=["left"] * 3 + ["right"] * 4)
    how = f"found {POWER:.0%} of the time after Holm's correction; judged by the seeds that are done, so a rough guide"
    return [*table.splitlines(), how]
