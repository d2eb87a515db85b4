"""Invented factors, some within others, and scores with planted effects."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from harness.grid.design import Design, Layout, Levels, as_json, lay


@dataclass(frozen=True)
class Factors:
    """Factors by their numbers of levels; a `child` works only where all its parents are on."""

    sizes: dict[str, int]
    parents: Mapping[str, tuple[str, ...]]

    def ancestors(self, name: str) -> set[str]:
        parents = self.parents.get(name, ())
        return set(parents).union(*map(self.ancestors, parents))

    def why_not(self, levels: Levels) -> str:
        on = {name for name, level in zip(self.sizes, levels, strict=True) if level}
        missing = [(child, parent) for child in on for parent in self.parents.get(child, ()) if parent not in on]
        return "; ".join(f"{child} needs {parent}" for child, parent in missing)

    def lay(self, kind: str, resolution: int = 4) -> Layout:
        return lay(Design(kind, resolution), self.sizes, self.why_not)

    def trained(self, layout: Layout) -> list[Levels]:
        return [cell for cell in layout.cells if not self.why_not(cell)]

    def run(self, kind: str, resolution: int = 4) -> tuple[list[Levels], dict[str, Any]]:
        """The combinations that are trained, and the design as the plan stores it."""
        layout = self.lay(kind, resolution)
        return self.trained(layout), as_json(layout)


def switches(number: int, **parents: tuple[str, ...]) -> Factors:
    """So many factors with two levels, a, b, c, …, and after them those that are nested in some of them."""
    return Factors(dict.fromkeys([*"abcdefghijklm"[:number], *parents], 2), parents)


@st.composite
def factors(draw: st.DrawFn, most: int = 5, *, chains: bool = True) -> Factors:
    """Up to `most` factors of two to four levels, each perhaps within one or two of those before it.

    Without `chains`, none has two children or is itself nested in one that has a parent.
    """
    sizes: dict[str, int] = {}
    parents: dict[str, tuple[str, ...]] = {}
    for name in "abcde"[: draw(st.integers(1, most))]:
        free = [other for other in sizes if chains or (other not in parents and (other,) not in parents.values())]
        if free and draw(st.integers(0, 2)) == 0:
            parents[name] = tuple(draw(st.lists(st.sampled_from(free), min_size=1, max_size=1 + chains, unique=True)))
        sizes[name] = draw(st.sampled_from([2, 2, 2, 3, 4]))
    chosen = Factors(sizes, parents)
    assume(all(len(chosen.ancestors(name)) <= 3 for name in sizes))  # as many as are looked for
    return chosen


@dataclass(frozen=True)
class Planted:
    """Scores that are a sum of planted effects: of each factor's level, and of each two of them together."""

    alone: Mapping[tuple[int, int], float]
    together: Mapping[frozenset[tuple[int, int]], float]

    def score(self, levels: Levels) -> float:
        on = [(place, level) for place, level in enumerate(levels) if level]
        pairs = (self.together.get(frozenset(pair), 0.0) for pair in combinations(on, 2))
        return 0.5 + sum(self.alone[setting] for setting in on) + sum(pairs)

    def estimate(self, weights: Mapping[Levels, float]) -> float:
        return sum(weight * self.score(levels) for levels, weight in weights.items())


def treatments(sizes: Collection[int]) -> list[tuple[int, int]]:
    """All levels above 0, each with its factor's place."""
    return [(place, level) for place, size in enumerate(sizes) for level in range(1, size)]


@st.composite
def planted(draw: st.DrawFn, sizes: Collection[int], *, interactions: bool = False) -> Planted:
    effects = st.integers(-50, 50).map(lambda hundredths: hundredths / 100)
    alone = {setting: draw(effects) for setting in treatments(sizes)}
    pairs = [frozenset(pair) for pair in combinations(alone, 2)] if interactions else []
    return Planted(alone, {pair: draw(effects) for pair in pairs})
