"""Average ranks of methods over data sets, and which of them can't be told apart (Demšar 2006).

Blocks are data sets, with their seeds averaged: seeds of one data set share its clips, and would count as more
evidence than they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from harness.statistics.effects import LEVEL

ENOUGH = 5  # blocks: below it p and critical difference stand on an approximation for many


@dataclass(frozen=True)
class Ranks:
    """Average ranks (1 is best) in the order of the methods; p and critical difference need two blocks and methods.

    `cliques` are the largest sets of methods, as places from the best rank on, whose ranks lie within the critical
    difference; a method that is alone is in none. `few`: there are fewer than five blocks.
    """

    ranks: tuple[float, ...]
    blocks: int
    p: float | None
    critical: float | None
    cliques: tuple[tuple[int, ...], ...]
    few: bool


def average_ranks(scores: np.ndarray) -> Ranks:
    """Ranks of `[blocks, methods]` scores, of which higher is better; ties share their ranks."""
    table = np.array([_ranks(row) for row in np.asarray(scores, float)])
    blocks, methods = table.shape
    average = tuple(map(float, table.mean(0)))
    if blocks < 2 or methods < 2:
        return Ranks(average, blocks, None, None, (), few=True)
    critical = _nemenyi(blocks, methods)
    return Ranks(average, blocks, _friedman(table), critical, _cliques(average, critical), blocks < ENOUGH)


def _ranks(row: np.ndarray) -> np.ndarray:
    """1 + how many are better + half of how many others are as good."""
    better, same = row[None] > row[:, None], row[None] == row[:, None]
    return np.asarray(1 + better.sum(1) + (same.sum(1) - 1) / 2)


def _friedman(table: np.ndarray) -> float:
    """p of Friedman's χ² (1937): the spread of the average ranks against that of ranks within blocks, ties included."""
    blocks, methods = table.shape
    middle = (methods + 1) / 2
    within = np.square(table - middle).sum() / (blocks * (methods - 1))
    if not within:  # all methods tie in all blocks
        return 1.0
    return float(chdtrc(methods - 1, blocks * np.square(table.mean(0) - middle).sum() / within))


def _nemenyi(blocks: int, methods: int) -> float:
    """q √(k (k + 1) / 6N), q the quantile of the studentised range over √2 (Nemenyi 1963)."""
    from scipy.stats import studentized_range

    q = float(studentized_range.ppf(LEVEL, methods, math.inf)) / math.sqrt(2)
    return q * math.sqrt(methods * (methods + 1) / (6 * blocks))


def _cliques(ranks: tuple[float, ...], critical: float) -> tuple[tuple[int, ...], ...]:
    order = sorted(range(len(ranks)), key=lambda place: (ranks[place], place))
    cliques: list[tuple[int, ...]] = []
    covered = 0
    for first, best in enumerate(order):
        end = max(last for last, place in enumerate(order) if ranks[place] - ranks[best] <= critical) + 1
        if end - first > 1 and end > covered:
            cliques.append(tuple(order[first:end]))
            covered = end
    return tuple(cliques)
