"""What each factor does, whether two change each other's effect, and what happens to single classes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from harness.leaderboard.ablation import SINGLE_CLASS, Row
from harness.leaderboard.board import Board
from harness.leaderboard.comparisons import FACTOR, INTERACTION
from harness.leaderboard.figures import EFFECTS, INTERACTIONS
from harness.leaderboard.markdown import escape, table
from harness.leaderboard.paired import class_of
from harness.leaderboard.summary import until_in_words
from harness.leaderboard.wording import (
    SHOWN,
    averaged,
    carried,
    confounded,
    heading,
    label,
    nothing_compared,
    over,
    shown,
)
from harness.store.wording import MEANING, points
from harness.words import plural

_HOW_ABLATED = (
    "Points of the test score ({meaning}), with the 95 % "
    "interval. Averaged are {averaged}; the means are tested over seeds. *helps* and *hurts* hold after Holm's "
    "correction for the number of effects in the table (the intervals are not corrected, so one that excludes 0 may "
    "still be *can't tell*). No interval: one seed, or seeds without spread."
)
_CARRIED = {
    "nothing": "Here there are none.",
    "both": "The intervals carry both what other seeds and what other test clips would have changed.",
    "seeds": "**The intervals carry what other seeds would have changed, and not what other test clips would.**",
    "mixed": "**Some intervals, marked °, carry only what other seeds would have changed**, since runs behind them "
    "have no predictions that can be read; all others also what other test clips would have.",
}
_INTERACTION = (
    "An interaction is what one factor does where the other is on, less what it does where it is off: *helps* means "
    "that the two together do more than the sum of what each does, *hurts* that they do less."
)


def effects(board: Board, rows: Sequence[Row], figures: Collection[str]) -> Iterator[str]:
    if not board.factors:
        return
    yield "## What each factor does"
    if not rows:
        yield escape(nothing_compared(board))
        return
    parts = carried(rows)
    meaning = "; ".join(f"{metric.upper()}: {MEANING[metric]}" for metric in SHOWN)
    yield f"{_HOW_ABLATED.format(meaning=meaning, averaged=escape(averaged(board)))} {_CARRIED[parts]}"
    if told := until_in_words(board, rows):
        yield told
    mixed = parts == "mixed"
    for metric in SHOWN:
        family = [row for row in rows if row.family == (FACTOR, metric) and metric in shown(board, row.dataset)]
        if family:
            yield _table(board, metric, family, mixed)
    alone = [escape(name) for name in board.contrasts if name not in {row.factor for row in rows}]
    if alone:
        yield f"Without any pair{' or whole fraction' * bool(confounded(board))}: {', '.join(alone)}."
    if EFFECTS in figures:
        yield f"![Effect of each factor with its 95 % interval]({EFFECTS})"
    yield from _interactions(board, rows, figures)
    yield from _classes(board, rows)


def _table(board: Board, metric: str, family: Sequence[Row], mixed: bool) -> str:
    found = {(row.factor, row.dataset): row for row in family}
    columns = list(dict.fromkeys(row.dataset for row in family))
    cells = [
        [escape(factor), *(_effect(board, found.get((factor, column)), mixed) for column in columns)]
        for factor in dict.fromkeys(row.factor for row in family)
    ]
    return table([metric.upper(), *(escape(heading(board, column)) for column in columns)], cells)


def _effect(board: Board, row: Row | None, mixed: bool) -> str:
    if row is None:
        return "–"
    mark = "°" if mixed and row.effect.of_seeds_alone else ""
    sets = f" (over {escape(over(board, row))})" if over(board, row) else ""
    return f"{points(row.effect.effect)}{_interval(row)}{mark} {row.word}{sets}"


def _interval(row: Row) -> str:
    low, high = row.effect.low, row.effect.high
    return "" if low is None or high is None else f" [{points(low)}, {points(high)}]"


def _interactions(board: Board, rows: Sequence[Row], figures: Collection[str]) -> Iterator[str]:
    family = [row for row in rows if row.kind == INTERACTION and row.metric in shown(board, row.dataset)]
    if not family:
        return
    yield "### Interactions"
    yield f"{_INTERACTION} {_sure_of(family, 'interaction')}"
    sure = [row for row in family if row.sure]
    if sure:
        cells = [
            [escape(label(row)), escape(heading(board, row.dataset)), row.metric.upper(), _effect(board, row, False)]
            for row in sure
        ]
        yield table(["factors", "data set", "score", "interaction"], cells)
    if INTERACTIONS in figures:
        yield f"![Interaction of each pair of factors]({INTERACTIONS})"


def _classes(board: Board, rows: Sequence[Row]) -> Iterator[str]:
    family = [row for row in rows if row.family[0] == SINGLE_CLASS]
    if not family:
        return
    yield "### Single classes"
    yield f"The effect of each factor on the recall of each class, corrected data set by data set. {_sure_of(family)}"
    sure = [row for row in family if row.sure]
    if sure:
        cells = [
            [
                escape(row.factor),
                escape(heading(board, row.dataset)),
                escape(class_of(row.metric) or ""),
                _effect(board, row, False),
            ]
            for row in sure
        ]
        yield table(["factor", "data set", "class", "effect on its recall"], cells)


def _sure_of(family: Sequence[Row], noun: str = "effect") -> str:
    """How many of a table's rows are shown, and where the others are."""
    sure = sum(row.sure for row in family)
    if sure == len(family):
        return f"All {plural(sure, noun)} can be told from nothing."
    which = f"{sure} of {plural(len(family), noun)}" if sure else f"None of {plural(len(family), noun)}"
    return f"{which} can be told from nothing; all stand in [ablation.csv](ablation.csv)."
