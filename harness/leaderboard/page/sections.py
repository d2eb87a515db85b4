"""The parts of the page in the order in which they are read, each with its place in the list of links above them.

A part that would be empty is left out. Runs, test clips and the table of all effects are filled by the script.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from harness.grid import design
from harness.leaderboard.ablation import Row
from harness.leaderboard.board import Board
from harness.leaderboard.page import effects, facts, standing, verdict
from harness.leaderboard.page.markup import Markup, join, name, tag
from harness.leaderboard.summary import Summary
from harness.leaderboard.wording import averaged, confounded

_INTERACTION = (
    "What the factor of the row adds where that of the column is on, less what it adds where that is off. The "
    "stronger the shade, the further from nothing; “helps” and “hurts” stand only where it can be told."
)
_EACH = (
    "Each number is the mean effect on the test score; averaged are {averaged}. The word above it leads to the runs."
)


class Section(NamedTuple):
    """`id` is its address in the page, `link` what leads there."""

    id: str
    link: str
    title: str
    inside: Markup

    def written(self) -> Markup:
        title = f"{self.id}-title"
        return tag("section", tag("h2", self.title, id=title), self.inside, id=self.id, aria_labelledby=title)


def sections(board: Board, rows: Sequence[Row], summary: Summary, headings: Mapping[str, str]) -> list[Section]:
    found = [
        Section("answer", "Answer", "The answer", join(_answer(board, rows, summary, headings))),
        Section(
            "interactions", "Interactions", "Do the factors depend on each other?", _interactions(board, rows, headings)
        ),
        Section("classes", "Classes", "Which classes gain and which lose", effects.per_class(rows, headings)),
        Section(
            "effects",
            "All effects",
            "All effects, with their p values",
            _scripted("ablation.csv") if rows else Markup(),
        ),
        Section("methods", "Methods", "Whole methods", _methods(summary, headings)),
        Section("runs", "Runs", "Runs", _scripted("results.csv")),
        Section("clips", "Clips", "Hard test clips", _scripted("")),
        Section("left-out", "Left out", "What is not in the tables", facts.left_out(board, summary)),
        Section("repeat", "Repeat", "Repeat", facts.repeat(board)),
    ]
    return [section for section in found if section.inside]


def _answer(board: Board, rows: Sequence[Row], summary: Summary, headings: Mapping[str, str]) -> Iterator[Markup]:
    yield verdict.answer(board, rows, headings, summary.least)
    if tables := effects.by_metric(board, rows, headings):
        yield tag("div", id="metric", class_="controls", hidden=True)
        yield tables
        how = _EACH.format(averaged=averaged(board))
        yield tag("p", " ".join([how, *verdict.how_sure(board, rows)]), class_="note")
    if board.design and board.factors:
        lines = [tag("li", name(line)) for line in design.in_words(board.design)]
        yield tag("details", tag("summary", "The design"), tag("ul", lines), open=bool(confounded(board)))


def _interactions(board: Board, rows: Sequence[Row], headings: Mapping[str, str]) -> Markup:
    maps = effects.interactions(board, rows, headings)
    return join([tag("p", _INTERACTION, class_="note"), maps]) if maps else Markup()


def _methods(summary: Summary, headings: Mapping[str, str]) -> Markup:
    parts = [standing.methods(summary, headings)]
    if split := standing.variance(summary, headings):
        parts.append(tag("details", tag("summary", "What the scores vary with"), split))
    return join([*parts, standing.published(summary)])


def _scripted(instead: str) -> Markup:
    """What a reader without a script is told."""
    words = "This table needs JavaScript." + (f" Its numbers stand in {instead} beside this page." if instead else "")
    return tag("noscript", tag("p", words))
