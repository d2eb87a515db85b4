"""What an ablation compares: each factor's levels with its first, and whether two factors change each other's effect.

A comparison says in words which texts of the grid stand against each other, so that nobody has to guess what "on" is.
How runs are weighed for it is the design's matter (`harness.design`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

from harness import design, grammar
from harness.design import Levels
from harness.leaderboard.board import Board, Factor
from harness.settings import spell

FACTOR, INTERACTION = "factor", "interaction"


@dataclass(frozen=True)
class Comparison:
    """One question to a board. `terms` are the factors' places with the level that is held against level 0."""

    kind: str
    name: str
    said: str
    terms: tuple[tuple[int, int], ...]


class Weights:
    """Weights of a block's runs for a board's comparisons, each found once: most seeds have runs at the same levels."""

    def __init__(self, board: Board) -> None:
        self._found = cache(lambda comparison, cells: _weights(comparison, cells, board.design))

    def __call__(self, comparison: Comparison, cells: frozenset[Levels]) -> design.Contrast:
        return self._found(comparison, cells)


def comparisons(board: Board) -> list[Comparison]:
    """Every level of every factor, then every pair of levels of two factors."""
    single = [
        Comparison(FACTOR, name, _instead(factor, level), ((place, level),))
        for place, factor in enumerate(board.factors)
        for level, name in factor.contrasts
    ]
    pairs = [
        Comparison(INTERACTION, f"{a.name}:{b.name}", _changed(board, a, b), (*a.terms, *b.terms))
        for a, b in combinations(single, 2)
        if a.terms[0][0] != b.terms[0][0]
    ]
    return single + pairs


def _weights(comparison: Comparison, cells: frozenset[Levels], plan: Mapping[str, Any] | None) -> design.Contrast:
    if comparison.kind == FACTOR:
        return design.main(cells, *comparison.terms[0], plan)
    first, second = comparison.terms
    return design.interaction(cells, first, second, plan)


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────


def _instead(factor: Factor, level: int) -> str:
    on, off = _apart(factor.levels[level], factor.levels[0])
    if off and on:
        return f"{on} instead of {off}"
    return f"with {on} against without" if on else f"without {off} against with"


def _changed(board: Board, first: Comparison, second: Comparison) -> str:
    """An interaction is the same from both its sides; it is told from the first's."""
    place, level = first.terms[0]
    on, off = _apart(board.factors[place].levels[level], board.factors[place].levels[0])
    where = [f"with {on}" if on else f"without {off}", f"with {off}" if off else f"without {on}"]
    return f"what {second.name} does {where[0]}, less what it does {where[1]}"


def _apart(one: str, other: str) -> tuple[str, str]:
    """Two levels spelled as they differ: of a component that both have, the settings in which they agree left out."""
    if not (one and other):
        return one, other
    parts = grammar.read(one), grammar.read(other)
    if list(parts[0]) != list(parts[1]):
        return one, other
    texts = ["+".join(_spelled(name, *((p[name], q[name]))) for name in p) for p, q in (parts, parts[::-1])]
    return texts[0], texts[1]


def _spelled(name: str, settings: Mapping[str, Any], others: Mapping[str, Any]) -> str:
    differing = [f"{key}={spell(value)}" for key, value in sorted(settings.items()) if others.get(key) != value]
    return f"{name}({','.join(differing)})" if differing else name
