"""What the page says first: the question, the answer in words, and how sure it is.

All of it is in the HTML itself, so that it can be read without a script and printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from harness.leaderboard.ablation import ALL, Row
from harness.leaderboard.board import Board
from harness.leaderboard.comparisons import FACTOR
from harness.leaderboard.page.markup import Markup, join, link, listed, name, tag
from harness.leaderboard.summary import span_of, until_in_words
from harness.leaderboard.wording import MINIATURE, at_odds, nothing_compared, primary, selections, smoke_tests
from harness.statistics import LEVEL
from harness.store.wording import MEANING, chosen, points
from harness.words import plural

_HOW_SURE = (
    f"How sure: with {100 * LEVEL:.0f} % confidence the true effect lies between the two numbers of points in "
    "brackets. “Helps” and “hurts” hold after correction for the number of effects that were looked at; “can't tell” "
    "means that these runs can't tell the effect from nothing, not that there is none."
)
_SEEDS_ONLY = (
    "° marks an interval that carries only what other seeds would have changed, since runs behind it have no "
    "predictions that can be read; all others also carry what other test clips would have."
)


def opening(board: Board, headings: Mapping[str, str]) -> Markup:
    """What was tried, and what must not be overlooked in its numbers."""
    asked = "Which of these choices change how well emotions are recognised? " if board.factors else ""
    methods = plural(len({run.method for run in board.runs}), "method")
    seeds = plural(len({run.seed for run in board.runs}), "seed")
    sets = [name(headings[dataset]) for dataset in board.datasets]
    state = f"{len(board.done):,} of {plural(len(board.runs), 'run')} {'is' if len(board.runs) == 1 else 'are'} done."
    size = [f"{methods} × {plural(len(sets), 'data set')} (", *listed(sets), f") × {seeds}; {state} "]
    return join(
        [*map(_warning, _warnings(board)), tag("p", asked, size, " ".join(map(chosen, selections(board.done))))]
    )


def answer(
    board: Board,
    rows: Sequence[Row],
    headings: Mapping[str, str],
    least: Mapping[tuple[str, str], Mapping[str, float | None]],
) -> Markup:
    """The verdict in the metric that most data sets are reported by. `least` is what could have been found."""
    metric = primary(board, ALL)
    family = [row for row in rows if row.kind == FACTOR and row.metric == metric]
    if not board.factors:
        return tag("p", "There is one method only, so there is nothing to compare.")
    if not family:
        return tag("p", f"There is nothing to compare. {nothing_compared(board)}")
    found = [tag("li", _finding(row, headings)) for row in family if row.sure]
    parts = [
        tag("p", _over_all(family, metric), class_="lead"),
        *([tag("ul", found, class_="answers")] if found else []),
    ]
    told = [(headings[dataset], *span_of(sizes)) for (dataset, of), sizes in least.items() if of == metric]
    could = [tag("span", name(heading), " ", name(sizes)) for heading, sizes, _ in told if sizes]
    if could:
        parts.append(tag("p", "An effect of fewer points than these would often go unseen: ", listed(could), "."))
    never = [tag("span", name(heading), " (", name(", ".join(factors)), ")") for heading, _, factors in told if factors]
    if never:
        said = "With so few seeds any effect, however large, would often go unseen on: "
        parts.append(tag("p", said, listed(never), "."))
    return join(parts)


def _finding(row: Row, headings: Mapping[str, str]) -> list[str]:
    where = "over all data sets, " if row.dataset == ALL else "on "
    size = f" by {100 * abs(row.effect.effect):.1f} points [{span(row)}]"
    return [
        tag("strong", name(row.factor), f" {row.word} ", where, link(to_runs(row), name(headings[row.dataset]))),
        size, " (", name(row.said), ")",
    ]  # fmt: skip


def how_sure(board: Board, rows: Sequence[Row]) -> Iterator[str]:
    """What intervals and words mean, and how it was decided how many seeds there are."""
    yield _HOW_SURE
    if any(row.effect.of_seeds_alone for row in rows):
        yield _SEEDS_ONLY
    if told := until_in_words(board, rows):
        yield told


def span(row: Row) -> str:
    """The interval of an effect, in points."""
    low, high = row.effect.low, row.effect.high
    if low is None or high is None:
        return "no interval"
    return f"{points(low)} to {points(high)}" + "°" * row.effect.of_seeds_alone


def titled(metric: str) -> str:
    return f"{metric.upper()}: {MEANING[metric]}"


def to_runs(row: Row) -> dict[str, str]:
    """Where the runs behind an effect are shown."""
    return {"behind": row.factor} | ({} if row.dataset == ALL else {"dataset": row.dataset})


def _over_all(family: Sequence[Row], metric: str) -> str:
    words = Counter(row.word for row in family)
    of = f"Of {plural(len(family), 'effect')} on {metric.upper()} ({MEANING[metric]})"
    told = [f"{words[word]} {verb}" for word, verb in (("helps", "help"), ("hurts", "hurt")) if words[word]]
    if not told:
        return f"{of}, none can be told from nothing with these runs."
    unsure = words["can't tell"]
    return f"{of}, {' and '.join(told)}" + (f"; {unsure} can't be told from nothing." if unsure else ".")


def _warnings(board: Board) -> Iterator[str]:
    small = ", ".join(dataset for dataset in board.datasets if dataset in board.miniatures)
    if small:
        yield f"Rendered miniatures: {small}. " + MINIATURE.format(names=small)
    if told := smoke_tests(board):
        yield " ".join(told)
    wrong = sum(bool(run.entry and run.entry.errors) for run in board.done)
    if wrong:
        yield f"{plural(wrong, 'finished run')} raised errors: their scores don't mean what the tables say."
    yield from map(" ".join, at_odds(board))
    if board.disputed:
        stand = "stands" if len(board.disputed) == 1 else "stand"
        yield f"{plural(len(board.disputed), 'run')} {stand} in several stores with different results."


def _warning(text: str) -> Markup:
    return tag("p", text, class_="warning", role="note")
