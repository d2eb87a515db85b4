"""ablation.tex: the tables of effects for a paper, with captions that say what they are worth.

`\\usepackage{booktabs}` is all that they need. Everything that comes from a run is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.leaderboard.ablation import ALL, Row
from harness.leaderboard.board import Board
from harness.leaderboard.comparisons import FACTOR, INTERACTION
from harness.leaderboard.markdown import plain
from harness.leaderboard.wording import (
    SHOWN,
    averaged,
    carried,
    confounded,
    heading,
    label,
    nothing_compared,
    over,
    selections,
    smoke_tests,
)
from harness.statistics import LEVEL
from harness.store.wording import MEANING, chosen, points
from harness.words import plural

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # after a line's end it would begin an option
    "]": "{]}",
    "-": "{-}",  # and these would run together into other signs
    "'": "{'}",
    "`": "{`}",
    '"': "{'}{'}",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    **{sign: f"\\{sign}" for sign in "&%$#_"},
}
_KINDS = {FACTOR: "Effect of each factor", INTERACTION: "Interaction of each pair of factors"}
_CARRIED = {
    "nothing": "There are no intervals: one seed, or seeds without spread.",
    "both": "The intervals carry what other seeds and what other test clips would have changed.",
    "seeds": "The intervals carry what other seeds would have changed, and not what other test clips would.",
    "mixed": "Some of the intervals carry what other seeds would have changed, and not what other test clips would.",
}


def tables(board: Board, rows: Sequence[Row]) -> str:
    """A table for each kind of effect and metric; only a comment where there is nothing to compare."""
    head = rf"% {escape(board.title)}: \input this file after \usepackage{{booktabs}}."
    parts = []
    for kind in _KINDS:
        for metric in SHOWN:
            family = [row for row in rows if row.family == (kind, metric)]
            if family:
                parts.append("\n".join(_table(board, kind, metric, family)))
    return "\n\n".join([head, *(parts or [f"% {escape(nothing_compared(board))}"])]) + "\n"


def escape(text: str) -> str:
    """Text as it stands. What the fonts of a plain LaTeX don't have is spelled as its number in Unicode."""
    return "".join(_SPECIAL.get(sign, sign if sign.isascii() else f"[U+{ord(sign):04X}]") for sign in plain(text))


def _table(board: Board, kind: str, metric: str, family: Sequence[Row]) -> Iterator[str]:
    columns = list(dict.fromkeys(row.dataset for row in family))
    cells = {(row.factor, row.dataset): row for row in family}
    yield r"\begin{table}"
    yield r"\centering"
    yield rf"\caption{{{_caption(board, kind, metric, family)}}}"
    yield rf"\label{{tab:{kind}-{metric}}}"
    yield r"\small"
    yield rf"\begin{{tabular}}{{l{'r' * len(columns)}}}"
    yield r"\toprule"
    yield " & ".join(["", *(escape(column) for column in columns)]) + r" \\"
    yield r"\midrule"
    for factor in dict.fromkeys(row.factor for row in family):
        mine = [cells.get((factor, column)) for column in columns]
        named = label(next(row for row in family if row.factor == factor))
        yield " & ".join([escape(named), *(_effect(board, row) for row in mine)]) + r" \\"
        yield " & ".join(["", *map(_interval, mine)]) + r" \\"
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield r"\end{table}"


def _effect(board: Board, row: Row | None) -> str:
    if row is None:
        return "--"
    sets = over(board, row)
    return _points(row.effect.effect) + (f" {row.word}" if row.sure else "") + (f" ({escape(sets)})" if sets else "")


def _interval(row: Row | None) -> str:
    if row is None or row.effect.low is None or row.effect.high is None:
        return ""
    return rf"{{\scriptsize {_points(row.effect.low)} to {_points(row.effect.high)}}}"


def _points(value: float) -> str:
    return f"${points(value)}$".replace("−", "-")


def _caption(board: Board, kind: str, metric: str, family: Sequence[Row]) -> str:
    """All that a reader needs to know who sees nothing but the table."""
    sets = ", ".join(heading(board, name) for name in dict.fromkeys(row.dataset for row in family) if name != ALL)
    seeds = sorted({row.effect.n_seeds for row in family})
    many = plural(seeds[-1], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    aliases = confounded(board)
    means = [row for row in family if row.dataset == ALL]
    fewer = ", or over those in brackets" if any(over(board, row) for row in means) else ""
    words = [
        f"{_KINDS[kind]} on {metric.upper()} ({MEANING[metric]}), points of the test score, and its "
        f"{100 * LEVEL:.0f} % interval.",
        f"Data sets: {sets}.",
        *([f"The last column is the mean over them{fewer}."] if means else []),
        *_warnings(board),
        f"{many}.",
        *map(chosen, selections(board.done)),
        _CARRIED[carried(family)],
        *([f"Averaged: {averaged(board)}.", f"Confounded: {aliases}."] if aliases else []),
        "Helps and hurts hold after Holm's correction for all effects of the table; those without a word can't be told "
        "from nothing.",
    ]
    if kind == INTERACTION:
        words.append("An interaction is what the second factor does with the first, less what it does without it.")
    return escape(" ".join(words))


def _warnings(board: Board) -> Iterator[str]:
    small = [name for name in board.datasets if name in board.miniatures]
    if small:
        yield f"Rendered miniatures, not the real data: {', '.join(small)}."
    yield from smoke_tests(board) or ()
