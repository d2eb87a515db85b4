"""What an ablation compares: each factor's levels with its first, and whether two factors change each other's effect.

A comparison says in words which texts of the grid stand against each other, so that nobody has to guess what "on" is.
How runs are weighed for it is the design's matter (`harness.grid.design`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from harness.grid import design, grammar
from harness.grid.design import Levels
from harness.leaderboard.board import Board, Factor
from harness.settings import spell

FACTOR, INTERACTION = "factor", "interaction"
Pair = tuple[str, str, str]  # "" or "−", and two factors


@dataclass(frozen=True)
class Comparison:
    """One question to a board. `terms` are the factors' places with the level that is held against level 0.

    `pairs` names an interaction's factors: those of `terms`, and of all others that are one contrast of the runs with
    it, each after the sign that it has in it.
    """

    kind: str
    name: str
    said: str
    terms: tuple[tuple[int, int], ...]
    pairs: tuple[Pair, ...] = ()


def comparisons(board: Board) -> list[Comparison]:
    """Every level of every factor, then every pair of levels of two factors, each contrast of the runs once."""
    single = [
        Comparison(FACTOR, name, _instead(factor, level) + _confounded(board, factor), ((place, level),))
        for place, factor in enumerate(board.factors)
        for level, name in factor.contrasts
    ]
    pairs = [
        Comparison(
            INTERACTION, f"{a.name}:{b.name}", _changed(board, a, b), (*a.terms, *b.terms), (("", a.name, b.name),)
        )
        for a, b in combinations(single, 2)
        if a.terms[0][0] != b.terms[0][0]
    ]
    return single + (_once(board, pairs) if (board.design or {}).get("words") else pairs)


def _once(board: Board, pairs: Sequence[Comparison]) -> list[Comparison]:
    """The interactions of a fraction: those that are one contrast are one question, and are corrected for as one."""
    cells = frozenset(run.levels for run in board.runs)
    groups: dict[frozenset[tuple[Levels, float]], list[tuple[str, Comparison]]] = {}
    alone = []
    for pair in pairs:
        weights = {cell: round(weight, 9) for cell, weight in contrast(pair, cells, board.design).weights.items()}
        here, opposite = (frozenset((cell, sign * weight) for cell, weight in weights.items()) for sign in (1, -1))
        if not weights:
            alone.append(pair)
        elif opposite in groups:
            groups[opposite].append(("−", pair))
        else:
            groups.setdefault(here, []).append(("", pair))
    return [_united(group) for group in groups.values()] + alone


def _united(group: Sequence[tuple[str, Comparison]]) -> Comparison:
    first = group[0][1]
    said = [("the opposite of " if sign else "") + other.said for sign, other in group[1:]]
    return replace(
        first,
        name=" = ".join(sign + pair.name for sign, pair in group),
        said="; one contrast of the runs with ".join([first.said, *said]),
        pairs=tuple((sign, *pair.pairs[0][1:]) for sign, pair in group),
    )


def contrast(comparison: Comparison, cells: frozenset[Levels], plan: Mapping[str, Any] | None) -> design.Contrast:
    """How the runs of a block at these levels are weighed for a comparison; `plan` is the board's design."""
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


def _confounded(board: Board, factor: Factor) -> str:
    """What a fraction can't tell a factor's effect from."""
    aliases = (board.design or {}).get("aliases", ())
    return "".join(f" (confounded: {' = '.join(group)})" for group in aliases if factor.name in group)


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
