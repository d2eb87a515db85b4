"""How many seeds: what the planned ones can show, how many a wanted effect takes, and how many a narrow interval.

All of it is reckoned from the spread of the runs that a grid has done already (its pilot), factor by factor, on each
data set's primary metric. `harness plan` tells it beforehand; `harness run --until` adds the seeds.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

from harness import statistics
from harness.errors import BadInput
from harness.grid import MOST_SEED, Grid, design
from harness.leaderboard import results
from harness.leaderboard.ablation import FACTOR, Row, ablation
from harness.leaderboard.board import Board
from harness.leaderboard.comparisons import comparisons
from harness.leaderboard.summary import POWER, WHOLE, strictest
from harness.store import Store
from harness.words import plural

WANTED = (0.01, 0.02, 0.05)  # effects, as fractions, for which `plan` tells the seeds that they take
PILOT = 3  # seeds at least: intervals after two cover too little (docs/statistics.md)
MOST = 100  # seeds that `--until` trains at most: more are a wish that more clips would serve better


@dataclass(frozen=True)
class Until:
    """When seeds are enough: at a number of them, or when every factor's interval is narrower than `width`, on each
    data set by its primary metric. The mean over the data sets is not looked at: it has the narrower interval mostly.
    """

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
    """The grid with others after its own seeds, the smallest not yet taken, where it has fewer than `count`."""
    others = (seed for seed in range(MOST_SEED) if seed not in grid.seeds)
    seeds = tuple(itertools.islice(itertools.chain(grid.seeds, others), max(count, len(grid.seeds))))
    selected = grid.selected
    if selected is not None:
        selected |= {(dataset, method, seed) for dataset, method, _ in selected for seed in seeds}
    return dataclasses.replace(grid, seeds=seeds, selected=selected)


def needed(store: Store, plan: Mapping[str, Any], width: float) -> int:
    """Stein's second stage (1945): how many seeds make every interval narrower, by the runs of the plan's own seeds.

    Raises `BadInput` where the spread can't be judged, or where no number of seeds that can be trained is enough.
    """
    board, pilot = results.of_plan(store, plan), len(_seeds(plan))
    asked, rows = _asked(board), _rows(board)
    if not asked:
        raise BadInput("--until", f"{plan['grid']} compares nothing, so it has no intervals", "give it two methods")
    return max(_count(rows.get(effect), effect, pilot, width) for effect in asked)


def _count(row: Row | None, effect: Effect, pilot: int, width: float) -> int:
    """How many seeds one effect takes."""
    done = row.effect.n_seeds if row else 0
    if row is None or done < pilot or pilot < 2:
        what = f"{effect[1]} on {effect[0]} has too few finished pairs: {done} of {plural(pilot, 'seed')} have one"
        raise BadInput("--until", what, "train all methods with three seeds or more first")
    if not row.effect.seed_variance:
        what = (
            f"the first {pilot} seeds agree to the last digit in {row.factor} on {row.dataset}: that gives no interval"
        )
        raise BadInput("--until", what, "give the grid other or more seeds, or get more test clips")
    count = statistics.stein(row.effect.seed_variance, pilot, row.effect.clip_variance or 0.0, width)
    if count is None or count > MOST:
        raise BadInput("--until", _why_not(row, count, width), "ask for a wider interval, or get more test clips")
    return count


def _why_not(row: Row, count: int | None, width: float) -> str:
    of = f"the interval of {row.factor} on {row.dataset} ({row.metric.upper()})"
    if count is None:
        return (
            f"no number of seeds makes {of} narrower than {100 * width:g} points: the draw of test clips alone is wider"
        )
    return f"it takes {count} seeds to make {of} narrower than {100 * width:g} points, and {MOST} are the most"


def outlook(store: Store, plan: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """For each data set and factor the smallest effect that the planned seeds find, and the seeds for wanted ones; and
    why no number of seeds tells anything, where it is so.

    Without rows while no pair of two seeds is done. Corrected as strictly as Holm's first step does it, for as many
    effects as a table of the finished grid has. An effect is None where none that scores can have would be found.
    """
    board, planned = results.of_plan(store, plan), len(_seeds(plan))
    asked = _asked(board)
    if not asked:
        return [], _why_nothing(board)
    if not board.done:
        return [], ""
    rows, level = _rows(board), strictest(_tests(asked))
    freedom = board.until["pilot"] - 1 if board.until else None
    known = [row for effect in asked if (row := rows.get(effect)) and row.effect.seed_variance]
    return [_told(row, planned, level, freedom) for row in known], ""


def _why_nothing(board: Board) -> str:
    """Why no effect of a factor can be told from the planned runs, whatever their seeds."""
    if len({run.method for run in board.runs}) < 2:
        return "nothing: there is one method, which is compared with no other"
    factors = ", ".join(factor.name for factor in board.factors)
    return f"nothing, with any number of seeds: no two methods differ in one component alone (they differ in {factors})"


def _told(row: Row, planned: int, level: float, freedom: int | None) -> dict[str, Any]:
    seeds, clips = row.effect.seed_variance or 0.0, row.effect.clip_variance or 0.0
    least = statistics.detectable(seeds, clips, planned, level, POWER, freedom)
    least = None if least is None or least > WHOLE else least
    wanted = {f"{effect:g}": statistics.seeds_needed(effect, seeds, clips, level, POWER, freedom) for effect in WANTED}
    return {"dataset": row.dataset, "metric": row.metric, "factor": row.factor, "effect": least, "seeds": wanted}


Effect = tuple[str, str]  # of a factor's level on a data set: the set, and its name in the ablation


def _asked(board: Board) -> list[Effect]:
    """The effects of factors that the planned runs can tell, whatever is done of them."""
    factors = [comparison for comparison in comparisons(board) if comparison.kind == FACTOR]
    cells = {name: {run.levels for run in board.runs if run.dataset == name} for name in board.datasets}
    return [
        (name, comparison.name)
        for name in board.datasets
        for comparison in factors
        if design.main(cells[name], *comparison.terms[0], board.design).n_pairs
    ]


def _tests(asked: Sequence[Effect]) -> int:
    """How many rows these have in a metric's table: their own, and where several data sets have one their mean's."""
    return len(asked) + sum(count > 1 for count in Counter(factor for _, factor in asked).values())


def _rows(board: Board) -> dict[Effect, Row]:
    """The effects of the factors on each data set's primary metric."""
    primary = {name: next((entry.primary for entry in board.entries(name)), "") for name in board.datasets}
    rows = (row for row in ablation(board).rows if row.kind == FACTOR and row.metric == primary.get(row.dataset))
    return {(row.dataset, row.factor): row for row in rows}


def carried(grid: Grid, stored: Mapping[str, Any]) -> tuple[Grid, dict[str, Any]]:
    """The grid with the seeds that `--until` added to it, by the plan that is stored of it, and what that plan says of
    the rule. Without both where the grid has other seeds of its own by now.
    """
    if not (stored.get("until") or stored.get("added")):
        return grid, {}
    seeds = _seeds(stored)
    if tuple(seeds[: len(seeds) - stored.get("added", 0)]) != grid.seeds:
        return grid, {}
    return extended(grid, len(seeds)), {key: stored[key] for key in ("until", "added", "command") if key in stored}


def lost(stored: Mapping[str, Any], grid: Grid, ruled: bool) -> str:
    """What `--until` did and a new plan in the place of the stored one undoes; empty where it undoes nothing. `ruled`:
    whether the new plan has a rule for the intervals.
    """
    added = stored.get("added", 0)
    gone = [seed for seed in _seeds(stored)[-added:] if seed not in grid.seeds] if added else []
    told = [f"the added {'seed' if len(gone) == 1 else 'seeds'} {', '.join(map(str, gone))}"] if gone else []
    told += ["the rule by which its intervals were judged"] if stored.get("until") and not ruled else []
    if not told:
        return ""
    return f"{grid.name} is planned anew without {' and '.join(told)}; to have them again: {stored['command']}"


def _seeds(plan: Mapping[str, Any]) -> list[int]:
    return list(dict.fromkeys(row["seed"] for row in plan["runs"]))


def as_lines(found: Sequence[Mapping[str, Any]], seeds: int, untold: str = "") -> list[str]:
    """The outlook for people; `untold` is why there is none, if it will never be."""
    if not found:
        return [untold or "unknown until two seeds of a pair are done"]
    head = ["data set", "metric", "factor", f"least effect at {seeds} seeds"]
    cells = [
        [
            row["dataset"],
            row["metric"].upper(),
            row["factor"],
            "none" if row["effect"] is None else f"{100 * row['effect']:.1f} points",
            *("more clips" if count is None else f"{count:,}" for count in row["seeds"].values()),
        ]
        for row in found
    ]
    wanted = [f"seeds for {100 * effect:g}" for effect in WANTED]
    table = tabulate(cells, [*head, *wanted], disable_numparse=True, colalign=["left"] * 3 + ["right"] * 4)
    how = f"found {POWER:.0%} of the time after Holm's correction; judged by the seeds that are done, so a rough guide"
    return [*table.splitlines(), how]
