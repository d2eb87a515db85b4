"""Levels of factors, by place: 0 is what the others are held against."""

from __future__ import annotations

from collections.abc import Mapping

Levels = tuple[int, ...]  # one combination: a level of each factor
Setting = tuple[int, int]  # a factor's place, and its level


def changed(levels: Levels, changes: Mapping[int, int]) -> Levels:
    """The same combination with some factors at other levels."""
    return tuple(changes.get(place, level) for place, level in enumerate(levels))
