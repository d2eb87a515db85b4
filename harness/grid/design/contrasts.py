"""Weights that turn the scores of a block's runs into the estimate of an effect: Σ weight · score.

A block is one data set, fold and seed. Where runs differ in one factor only, an effect is the mean over such pairs,
and an interaction the mean over quadruples. A regular fraction has no such pairs for its own factors: there an effect
is the difference between the means of two halves, and only the whole fraction keeps the other factors out of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from harness.grid.design.fractions import points
from harness.grid.design.levels import Levels, Setting, changed


class Contrast(NamedTuple):
    """Weights by levels, empty where these runs can't tell the effect.

    Of a main effect they come to +1 on one side and −1 on the other; of an interaction, which is a difference of
    differences, to +2 and −2. `n_pairs` is how many pairs, or quadruples, the estimate is a mean of; of a fraction,
    how many its runs are worth.
    """

    weights: dict[Levels, float]
    n_pairs: int


def main(cells: Collection[Levels], factor: int, level: int, design: Mapping[str, Any] | None = None) -> Contrast:
    """The effect of a factor at `level` against its level 0, from the levels of a block's finished runs."""
    return _mean(_parts(frozenset(cells), [(factor, level)], design))


def interaction(
    cells: Collection[Levels], first: Setting, second: Setting, design: Mapping[str, Any] | None = None
) -> Contrast:
    """The effect of one factor where the other is at its level, less that where the other is at level 0."""
    return _mean(_parts(frozenset(cells), [first, second], design))


@dataclass(frozen=True)
class _Fraction:
    """The places of the factors that a fraction is of, its points, and the words that they are even in."""

    places: tuple[int, ...]
    words: tuple[Levels, ...]  # each the places of its factors among `places`
    points: tuple[Levels, ...]
    parents: tuple[tuple[int, int | None, Levels], ...]  # a nested factor's place, its level if not each, what it needs

    @classmethod
    def of(cls, design: Mapping[str, Any]) -> _Fraction:
        names, inside = design["factors"], design["fraction"]
        words = tuple(tuple(map(inside.index, word)) for word in design["words"])
        within = [(child, None, needed) for child, needed in design["nested"].items()]
        within += [(part["factor"], part["level"], part["needs"]) for part in design.get("partly_nested", ())]
        parents = tuple(
            (names.index(child), level, tuple(inside.index(name) for name in needed if name in inside))
            for child, level, needed in within
        )
        return cls(tuple(map(names.index, inside)), words, points(len(inside), words), parents)

    def within(self, rest: Levels) -> list[Levels]:
        """The points that can go with these levels of the other factors: the parents of those nested in it are on."""
        on = [places for child, level, places in self.parents if rest[child] and level in (None, rest[child])]
        needed = [place for places in on for place in places]
        return [point for point in self.points if all(point[place] for place in needed)]

    def place(self, rest: Levels, point: Levels) -> Levels:
        return changed(rest, dict(zip(self.places, point, strict=True)))


def _parts(cells: frozenset[Levels], effect: Sequence[Setting], design: Mapping[str, Any] | None) -> Iterator[Contrast]:
    """The estimates of the effect that differ in what the other factors are held at."""
    fraction = _Fraction.of(design) if design and design.get("fraction") else None
    inside = [setting for setting in effect if fraction and setting[0] in fraction.places]
    if not fraction or not inside:
        for cell in sorted(cells):
            if all(cell[place] == level for place, level in effect):
                corners = _corners(cell, effect)
                if corners.keys() <= cells:
                    yield Contrast(corners, 1)
        return
    factors = [fraction.places.index(place) for place, _ in inside]
    if any(len(word) == 3 and set(factors) < set(word) for word in fraction.words if len(factors) == 2):
        return  # the interaction can't be told from the main effect of the word's third factor
    outside = [setting for setting in effect if setting not in inside]
    for rest in sorted({fraction.place(cell, (0,) * len(fraction.places)) for cell in cells}):
        if all(rest[place] == level for place, level in outside):
            yield from _in_fraction(cells, rest, factors, outside, fraction)


def _in_fraction(
    cells: frozenset[Levels], rest: Levels, factors: Sequence[int], outside: Sequence[Setting], fraction: _Fraction
) -> Iterator[Contrast]:
    """The estimate from the one copy of the fraction that stands at `rest`, if it is whole and all of it finished.

    Where a factor is on that is nested in one of the fraction's, only a part of the fraction can stand, and that part
    confounds more: it serves nothing but the nested factor's own effects and interactions.
    """
    if len(fraction.within(changed(rest, {place: 0 for place, _ in outside}))) < len(fraction.points):
        return
    groups: dict[Levels, list[Levels]] = defaultdict(list)
    for point in fraction.within(rest):
        groups[tuple(point[place] for place in factors)].append(point)
    weights = {
        fraction.place(corner, point): sign * (-1) ** group.count(0) / len(members)
        for corner, sign in _corners(rest, outside).items()
        for group, members in groups.items()
        for point in members
    }
    if len(groups) == 2 ** len(factors) and weights.keys() <= cells:
        yield Contrast(weights, min(map(len, groups.values())))


def _corners(cell: Levels, effect: Sequence[Setting]) -> dict[Levels, float]:
    """The cell and those with some of the effect's factors at level 0, each with the sign that it has in the effect."""
    choices = product(*([(place, level), (place, 0)] for place, level in effect))
    return {changed(cell, dict(choice)): float((-1) ** sum(not level for _, level in choice)) for choice in choices}


def _mean(parts: Iterator[Contrast]) -> Contrast:
    found = list(parts)
    weights: dict[Levels, float] = defaultdict(float)
    for part in found:
        for cell, weight in part.weights.items():
            weights[cell] += weight / len(found)
    return Contrast(dict(weights), sum(part.n_pairs for part in found))
