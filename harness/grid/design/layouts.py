"""Which combinations of factor levels a design trains.

A level of a factor is nested in others where it doesn't work on the baseline alone, and a factor where all its levels
are nested alike: `warmup` exists only within `ldl`. What is nested is found by trying, so that components from outside
nest like any other.

- `full`: every combination.
- `one-at-a-time`: the baseline, and each level of each factor alone on it; a nested one on top of what it needs.
- `leave-one-out`: everything on, which is level 1 of each factor (a level added to the end of a list keeps what is
  trained), and each factor changed alone to each of its other levels. What is nested in a factor goes back with it,
  and a combination without just the nested ones is added: the factor itself is judged against that.
- `fractional`: of the factors with two levels a fraction; all others are crossed with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, product

from harness.errors import BadInput
from harness.grid.design import fractions
from harness.grid.design.levels import Levels, Setting, changed
from harness.settings import knob

WhyNot = Callable[[Levels], str]  # why the components of these levels can't work together; "" where they can
KINDS = ("full", "one-at-a-time", "leave-one-out", "fractional", "list")
MOST_METHODS = 4096  # more combinations of levels than this are a mistake, not a grid
_MOST_NEEDED = 3  # other factors that one may need; what needs more is dropped with the reason


@dataclass(frozen=True)
class Design:
    """How factor levels are combined."""

    kind: str = knob(
        "full", "which combinations of levels are trained; list: the methods that are named", choices=KINDS
    )
    resolution: int = knob(
        4,
        "of a fractional design; 3: main effects are confounded with interactions of two factors, "
        "4: interactions of two with one another, 5: with none but higher ones",
        choices=(3, 4, 5),
    )


@dataclass(frozen=True)
class Layout:
    """The combinations of a design in the order of training, and what it needs to be read rightly."""

    kind: str
    factors: tuple[str, ...] = ()
    cells: tuple[Levels, ...] = ()
    nested: dict[str, list[str]] = field(default_factory=dict)  # a factor, and those that must be on for it
    partly: dict[tuple[str, int], list[str]] = field(default_factory=dict)  # a level of one whose levels are not alike
    wanted: int | None = None  # the resolution, of a fractional design
    fraction: tuple[str, ...] = ()  # the factors that a fraction is of; none where it takes every combination
    words: tuple[fractions.Word, ...] = ()  # of the fraction


def lay(design: Design, sizes: Mapping[str, int], why_not: WhyNot) -> Layout:
    """The combinations of a design of factors with so many levels each: none for a list, which combines nothing.

    Raises `BadInput` where the design can't be made.
    """
    if design.kind == "list":
        return Layout("list")
    names, counts = tuple(sizes), tuple(sizes.values())
    if design.kind == "full":
        _check_number(math.prod(counts))
    needs = _needs(counts, why_not)
    nested: dict[str, list[str]] = {}
    partly: dict[tuple[str, int], list[str]] = {}
    for place, name in enumerate(names):
        within = {level: [names[other] for other in needs.get((place, level), ())] for level in range(1, counts[place])}
        alike = all(within.values()) and len(set(map(tuple, within.values()))) == 1
        if alike:
            nested[name] = within[1]
        else:
            partly |= {(name, level): needed for level, needed in within.items() if needed}
    layout = Layout(design.kind, names, nested=nested, partly=partly)
    if design.kind == "full":
        return replace(layout, cells=tuple(product(*map(range, counts))))
    if design.kind == "fractional":
        return _fractional(replace(layout, wanted=design.resolution), counts, why_not)
    cells = tuple(dict.fromkeys(_star(design.kind, counts, needs, why_not)))
    _check_number(len(cells))
    return replace(layout, cells=cells)


def _needs(counts: Sequence[int], why_not: WhyNot) -> dict[Setting, dict[int, int]]:
    """By factor and level: the fewest other factors, each with its level, without which it does not work.

    Levels that work on the baseline alone, or not at all, need nothing.
    """

    baseline = (0,) * len(counts)

    def works(changes: Mapping[int, int]) -> bool:
        try:
            return not why_not(changed(baseline, changes))
        except BadInput:  # such as a component named twice, in a combination that nobody asked for
            return False

    found: dict[Setting, dict[int, int]] = {}
    for place, level in _above(counts) if works({}) else ():
        others = [setting for setting in _above(counts) if setting[0] != place]
        if works({place: level}):
            continue
        tried = (dict(choice) for number in range(1, _MOST_NEEDED + 1) for choice in combinations(others, number))
        needed = next((choice for choice in tried if works({place: level, **choice})), None)
        if needed:
            found[place, level] = needed
    return found


def _above(counts: Sequence[int]) -> list[Setting]:
    return [(place, level) for place, count in enumerate(counts) for level in range(1, count)]


def _star(
    kind: str, counts: Sequence[int], needs: Mapping[Setting, Mapping[int, int]], why_not: WhyNot
) -> Iterator[Levels]:
    """A centre, and each factor alone at each of its levels: with what it needs on, and what needs it at level 0."""
    centre = (int(kind == "leave-one-out"),) * len(counts)
    if why := why_not(centre):
        start, other = ("everything on", "one-at-a-time") if any(centre) else ("level 0 of each factor", "full")
        raise BadInput(
            "design.kind", f"{kind} starts from {start}, and {why}", f"change the factors, or take {other!r}"
        )
    yield centre
    for place, level in _above(counts):
        within = [other for (other, above), needed in needs.items() if centre[other] == above and place in needed]
        around = {**dict.fromkeys(within, 0), **needs.get((place, level), {})}
        for at in (0, level):
            yield changed(centre, {**around, place: at})


def _fractional(layout: Layout, counts: Sequence[int], why_not: WhyNot) -> Layout:
    """The smallest fraction of the two-level factors that are nested in none, crossed with all other factors."""
    places = [
        place for place, (name, count) in enumerate(zip(layout.factors, counts, strict=True))
        if count == 2 and name not in layout.nested
    ]  # fmt: skip
    if len(places) > fractions.MOST:
        what = f"{len(places)} factors with two levels are too many for a fraction"
        raise BadInput("factors", what, f"keep to {fractions.MOST}: drop some")
    words = fractions.best(len(places), layout.wanted or 0)
    points = [dict(zip(places, point, strict=True)) for point in fractions.points(len(places), words)]
    others = [range(count) if place not in places else (0,) for place, count in enumerate(counts)]
    _check_number(len(points) * math.prod(map(len, others)))
    cells = sorted(changed(rest, point) for rest in product(*others) for point in points)
    if words:
        _check_whole([changed((0,) * len(counts), point) for point in points], layout, why_not)
    inside = tuple(layout.factors[place] for place in places) if words else ()
    return replace(layout, cells=tuple(cells), fraction=inside, words=words)


def _check_whole(cells: Sequence[Levels], layout: Layout, why_not: WhyNot) -> None:
    """A fraction with a hole estimates nothing."""
    for cell in cells:
        if why := why_not(cell):
            on = [name for name, level in zip(layout.factors, cell, strict=True) if level]
            mend = 'make what excludes each other levels of one factor, or take "full"'
            raise BadInput("design.kind", f"a fraction needs {' with '.join(on) or 'the baseline'}, and {why}", mend)


def _check_number(count: int) -> None:
    if count > MOST_METHODS:
        mend = f"keep to {MOST_METHODS}: drop some factors, or take a smaller design"
        raise BadInput("factors", f"make {count} methods", mend)
