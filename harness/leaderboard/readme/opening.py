"""What the page says first: what was asked, what must not be overlooked, and the answer in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.grid import design
from harness.leaderboard.ablation import ALL, Ablation, Row
from harness.leaderboard.board import Board
from harness.leaderboard.comparisons import FACTOR
from harness.leaderboard.markdown import escape, how_chosen, table
from harness.leaderboard.summary import Summary, span_of
from harness.leaderboard.wording import (
    EVEN,
    MINIATURE,
    at_odds,
    comparable,
    even,
    heading,
    primary,
    selections,
    smoke_tests,
)
from harness.store.wording import points
from harness.words import plural


def opening(board: Board, asked: Ablation, found: Summary) -> Iterator[str]:
    yield f"# {escape(board.title)}"
    methods = len({run.method for run in board.runs})
    size = f"{plural(methods, 'method')} × {plural(len(board.datasets), 'data set')}"
    seeds = plural(len({run.seed for run in board.runs}), "seed")
    verb = "is" if len(board.runs) == 1 else "are"
    state = f"{len(board.done):,} of {plural(len(board.runs), 'run')} {verb} done"
    words = " ".join(map(how_chosen, selections(board.done)))
    same = f" {EVEN.format(names=escape(', '.join(even(board))))}" if even(board) else ""
    yield f"{size} × {seeds}: {state}. {words} Scores are percent, mean ± standard deviation over seeds.{same}"
    yield from _warnings(board)
    if board.factors:
        single = [each for each in asked.weigher.comparisons if each.kind == FACTOR]
        yield table(["factor", "what is compared"], [[escape(each.name), escape(each.said)] for each in single])
        yield "\n".join(f"- {line}" for line in _answer(board, asked.rows, found))
    if board.baseline:
        there = not board.factors or any(not any(run.levels) for run in board.runs)
        lacking = "" if there else ", which is not among these runs"
        yield f"{'The baseline' if board.factors else 'The one method'} is {escape(board.baseline)}{lacking}."
    if board.design and board.factors:
        yield "\n".join(["The design:", "", *(f"- {escape(line)}" for line in design.in_words(board.design))])


def _warnings(board: Board) -> Iterator[str]:
    small = ", ".join(escape(name) for name in board.datasets if name in board.miniatures)
    if small:
        yield f"> **Rendered miniatures: {small}.** {MINIATURE.format(names=small)}"
    if told := smoke_tests(board):
        yield f"> **{told[0]}** {told[1]}"
    for what, follows in at_odds(board):
        yield f"> **{escape(what)}** {follows}"
    if board.disputed:
        names = escape(", ".join(board.disputed))
        yield f"> **The results of {names} differ between stores:** the first store that was given counts."


def _answer(board: Board, rows: Sequence[Row], found: Summary) -> Iterator[str]:
    """A line for each data set, in the metric that it is reported by, and one for the mean over them."""
    asked = [dataset for dataset in (*board.datasets, ALL) if dataset != ALL or len(board.datasets) > 1]
    for dataset in asked:
        metric = primary(board, dataset)
        mine = [r for r in rows if r.dataset == dataset and r.family == (FACTOR, metric)]
        where = f"On {escape(heading(board, dataset))}" if dataset != ALL else f"Over {escape(heading(board, ALL))}"
        if not mine:
            covered = board.datasets if dataset == ALL else [dataset]
            later = " yet" if any(comparable(board, name) for name in covered) else ", and no more runs change that"
            apart = dataset == ALL and not found.seeds
            yield f"{where} there is nothing to compare{': the data sets share no seeds' if apart else later}."
            continue
        seeds = plural(min(row.effect.n_seeds for row in mine), "seed")
        least = found.least.get((dataset, metric), {})
        sure = [row for row in mine if row.sure]
        told = "; ".join(f"{escape(row.factor)} {row.word}: {_size(row)}" for row in sure)
        rest = "no other factor's effect" if sure else f"no factor's effect on {metric.upper()}"
        unsure = f"{rest} can be told from nothing with {seeds}" if len(sure) < len(mine) else ""
        yield f"{where} " + "; ".join(filter(None, [told, unsure])) + "." + _power(least, seeds)


def _power(least: Mapping[str, float | None], seeds: str) -> str:
    span, never = span_of(least)
    if not span:
        return f" With {seeds} no effect, however large, would be found four times in five." if never else ""
    rest = f", but none of {escape(', '.join(never))}, however large" if never else ""
    return f" An effect of {escape(span)} points would be found four times in five{rest}."


def _size(row: Row) -> str:
    low, high = row.effect.low, row.effect.high
    between = "" if low is None or high is None else f" (95 % interval {points(low)} to {points(high)})"
    return f"{points(row.effect.effect)} points of {row.metric.upper()}{between}"
