"""Effects as tables that are pictures too: every number stands as text beside its interval or its shade.

A table a metric: factors down, data sets across; then pairs of factors, and classes, as heat maps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from harness.leaderboard.ablation import Row
from harness.leaderboard.board import Board
from harness.leaderboard.comparisons import FACTOR, INTERACTION
from harness.leaderboard.page.markup import Markup, join, link, name, table, tag
from harness.leaderboard.page.verdict import span, titled, to_runs
from harness.leaderboard.paired import class_of
from harness.leaderboard.wording import over
from harness.store.wording import MEANING, points

_SIGNS = {"helps": "▲", "hurts": "▼", "can't tell": "○"}
_WIDE, _HIGH = 160, 14  # of an interval's picture
_SHADES = 4


def by_metric(board: Board, rows: Sequence[Row], headings: Mapping[str, str]) -> Markup:
    """The effect of each factor on each data set, a table a metric."""
    families = {metric: [r for r in rows if r.kind == FACTOR and r.metric == metric] for metric in MEANING}
    parts = [_forest(board, metric, family, headings) for metric, family in families.items() if family]
    return join(parts)


def interactions(board: Board, rows: Sequence[Row], headings: Mapping[str, str]) -> Markup:
    """A heat map a metric and data set: how far one factor's effect is another where a second is on."""
    parts = []
    for metric in MEANING:
        family = [row for row in rows if row.kind == INTERACTION and row.metric == metric]
        if family:
            most = max(abs(row.effect.effect) for row in family)
            maps = [
                _pairs(board, f"{headings[dataset]}: interactions, {titled(metric)}, points", of, most)
                for dataset in dict.fromkeys(row.dataset for row in family)
                if (of := [row for row in family if row.dataset == dataset])
            ]
            parts.append(tag("div", maps, data_metric=metric, class_="maps"))
    return join(parts)


def per_class(rows: Sequence[Row], headings: Mapping[str, str]) -> Markup:
    """A heat map a data set: what each factor does to the recall of each class."""
    family = [row for row in rows if class_of(row.metric) is not None and row.kind == FACTOR]
    most = max((abs(row.effect.effect) for row in family), default=0.0)
    parts = []
    for dataset in dict.fromkeys(row.dataset for row in family):
        found = {(row.metric, row.factor): row for row in family if row.dataset == dataset}
        metrics, factors = (list(dict.fromkeys(key[place] for key in found)) for place in (0, 1))
        lines = [
            [name(class_of(metric) or metric), *(_shaded(found.get((metric, f)), f, most) for f in factors)]
            for metric in metrics
        ]
        caption = f"{headings[dataset]}: effect on the recall of each class, points"
        parts.append(table(name(caption), ["Class", *map(name, factors)], lines, "heat"))
    return tag("div", parts, class_="maps") if parts else Markup()


def _forest(board: Board, metric: str, family: Sequence[Row], headings: Mapping[str, str]) -> Markup:
    found = {(row.factor, row.dataset): row for row in family}
    columns = list(dict.fromkeys(row.dataset for row in family))
    reach = _reach(family)
    heads = ["Factor", *(name(headings[column]) for column in columns)]
    lines = [
        [
            _asked(factor, family),
            *(_cell(board, found.get((factor, column)), headings[column], reach) for column in columns),
        ]
        for factor in dict.fromkeys(row.factor for row in family)
    ]
    caption = f"Effect on {titled(metric)}; points of the test score, axis from {_axis(-reach)} to {_axis(reach)}"
    if any(any(_beyond(row, reach)) for row in family):
        caption += "; an arrow head: the interval goes on beyond it"
    return tag("div", table(caption, heads, lines, "forest"), data_metric=metric, data_title=titled(metric))


def _asked(factor: str, family: Sequence[Row]) -> Markup:
    """A factor with what is compared with what."""
    said = next(row.said for row in family if row.factor == factor)
    return join([name(factor), tag("span", said, class_="said")])


def _cell(board: Board, row: Row | None, heading: str, reach: float) -> Markup:
    if row is None:
        return tag("td", "–", role="cell", data_label=heading)
    numbers = tag("span", f"{points(row.effect.effect)} [{span(row)}]", class_="number")
    sets = [tag("span", "over ", name(over(board, row)), class_="said")] if over(board, row) else []
    return tag(
        "td", link(to_runs(row), *_said(row)), " ", numbers, _interval(row, reach), *sets,
        role="cell", data_label=heading, class_=_style(row),
    )  # fmt: skip


def _pairs(board: Board, caption: str, rows: Sequence[Row], most: float) -> Markup:
    """Factors against factors. A pair stands once, above the diagonal; empty where it can't be estimated.

    Of pairs that are one contrast of the runs the first has the number, and the others say which that is.
    """
    cells: dict[tuple[str, str], Markup] = {}
    for row in rows:
        (_, first, second), *others = row.pairs
        cells[first, second] = _shaded(row, second, most)
        for sign, one, other in others:
            cells[one, other] = tag("td", name(f"= {sign}{first} × {second}"), role="cell", data_label=other)
    paired = {one for pair in cells for one in pair}
    names = [one for one in board.contrasts if one in paired]
    lines = [
        [name(one), *(cells.get((one, other)) or _shaded(None, other, most) for other in names[1:])]
        for one in names[:-1]
    ]
    return table(name(caption), ["", *map(name, names[1:])], lines, "heat")


def _shaded(row: Row | None, column: str, most: float) -> Markup:
    """A cell whose shade is its size, for those who look for the large ones."""
    if row is None:
        return tag("td", role="cell", data_label=column)
    size = math.ceil(_SHADES * abs(row.effect.effect) / most) if most else 0
    shade = f"{'more' if row.effect.effect > 0 else 'less'}{size}" if size else "none"
    word = [tag("strong", *_said(row)), " "] if row.sure else []
    interval = tag("span", f"[{span(row)}]", class_="number")
    inside = [*word, link(to_runs(row), points(row.effect.effect)), " ", interval]
    return tag("td", inside, role="cell", data_label=column, class_=shade)


def _said(row: Row) -> list[Markup | str]:
    return [tag("span", _SIGNS[row.word], aria_hidden="true", class_="sign"), f" {row.word}"]


def _style(row: Row) -> str:
    return row.word if row.sure else "unsure"


def _interval(row: Row, reach: float) -> Markup:
    """The interval as a line on an axis with 0 in its middle; an arrow where it goes on beyond the axis."""
    low, high = row.effect.low, row.effect.high
    parts = [tag("line", x1=_WIDE // 2, x2=_WIDE // 2, y1=0, y2=_HIGH, class_="zero")]
    if low is not None and high is not None:
        ends = [_place(max(-reach, low), reach), _place(min(reach, high), reach)]
        parts.append(tag("line", x1=ends[0], x2=ends[1], y1=_HIGH // 2, y2=_HIGH // 2, class_="reach"))
        parts += [tag("path", d=f"M{x} {_HIGH // 2}l{-5 * way} -4v8z") for x, way in _beyond(row, reach)]
    centre = min(max(row.effect.effect, -reach), reach)
    parts.append(tag("circle", cx=_place(centre, reach), cy=_HIGH // 2, r=3.5))
    return tag("svg", parts, viewBox=f"0 0 {_WIDE} {_HIGH}", width=_WIDE, height=_HIGH, aria_hidden="true")


def _beyond(row: Row, reach: float) -> Iterator[tuple[str, int]]:
    """The ends of the axis that the interval goes beyond: where they are drawn, and which way."""
    low, high = row.effect.low, row.effect.high
    if low is not None and low < -reach:
        yield _place(-reach, reach), -1
    if high is not None and high > reach:
        yield _place(reach, reach), 1


def _place(value: float, reach: float) -> str:
    return f"{_WIDE / 2 + (_WIDE / 2 - 6) * value / reach:.1f}"


def _reach(rows: Sequence[Row]) -> float:
    """The axis' end: the furthest of an interval, unless one (of two seeds, say) would shrink all others to dots."""
    ends = [abs(end) for row in rows for end in (row.effect.low, row.effect.high) if end is not None]
    centres = max(abs(row.effect.effect) for row in rows)
    furthest = min(max(ends, default=centres), max(4 * centres, 0.02)) or 0.02
    step = 10.0 ** math.floor(math.log10(furthest))
    return next(step * size for size in (1, 2, 3, 5, 8, 10) if step * size >= furthest * (1 - 1e-9))


def _axis(value: float) -> str:
    return f"{100 * value:+g}".replace("-", "−")
