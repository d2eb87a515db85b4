"""Estimates from paired runs: mean and spread over seeds, paired effects with t intervals, Holm's correction.

Plain functions of numbers; runs, files and tables are the leaderboard's. The seed is the unit of replication:
all differences of one seed are averaged before anything is tested, since runs that share a seed share their
initial weights and their order of clips and are not independent. The price is a t with as many degrees of
freedom as seeds less one (three seeds: 4.3 standard errors either way), which is what so few are worth.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scipy.special import stdtr, stdtrit  # Student's t without the second that scipy.stats takes to import

LEVEL = 0.95  # of every interval; a corrected p below 1 − LEVEL is called an effect
_NO_SPREAD = 1e-12  # standard deviations below it are rounding, not spread


class Cell(NamedTuple):
    """Where a run stands in a design. Runs of different blocks (other data, other settings) never pair."""

    levels: tuple[int, ...]
    block: Hashable
    seed: int


@dataclass(frozen=True)
class Effect:
    """A mean paired difference. `low`, `high` and `p` are None where the seeds show no spread to judge by."""

    effect: float
    low: float | None
    high: float | None
    p: float | None
    n_pairs: int


def mean(values: Sequence[float]) -> float:
    """Σx / n, summed exactly so that the order of the runs never shows in the last digit."""
    return math.fsum(values) / len(values)


def deviation(values: Sequence[float]) -> float | None:
    """Sample standard deviation √(Σ(x − x̄)² / (n − 1)); None for a single value."""
    if len(values) < 2:
        return None
    centre = mean(values)
    return math.sqrt(math.fsum((x - centre) ** 2 for x in values) / (len(values) - 1))


def differences(values: Mapping[Cell, float], factor: int, level: int = 1) -> dict[int, list[float]]:
    """Per seed, `factor` at `level` minus the same cell with `factor` at 0, over all cells that have both.

    Where a factor exists only within another (warm-up within LDL), pairs exist only there: its effect is the
    effect within the other factor, and the other's effect is estimated where the inner one is off.
    """
    found: dict[int, list[float]] = defaultdict(list)
    for cell, value in values.items():
        if cell.levels[factor] != level:
            continue
        off = (*cell.levels[:factor], 0, *cell.levels[factor + 1 :])
        partner = values.get(cell._replace(levels=off))
        if partner is not None:
            found[cell.seed].append(value - partner)
    return dict(found)


def seed_means(differences: Mapping[int, Sequence[float]]) -> dict[int, float]:
    """One number a seed: the mean of its pairs."""
    return {seed: mean(values) for seed, values in differences.items()}


def average(parts: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """The mean over parts (data sets), seed by seed, of the seeds that every part has.

    A seed that lacks a part would change which data sets the mean is over, so it is left out.
    """
    shared = set.intersection(*(set(part) for part in parts)) if parts else set()
    return {seed: mean([part[seed] for part in parts]) for seed in sorted(shared)}


def effect(per_seed: Sequence[float], n_pairs: int) -> Effect:
    """Mean difference d̄ with the interval d̄ ± t(n−1) s/√n and the two-sided p of t = d̄ √n / s (Student's
    paired t-test, n seeds). One seed, or seeds that agree to the last digit, give neither interval nor p:
    with no spread there is nothing to compare the difference with.
    """
    centre, spread = mean(per_seed), deviation(per_seed)
    if spread is None or spread < _NO_SPREAD:
        return Effect(centre, None, None, None, n_pairs)
    freedom, error = len(per_seed) - 1, spread / math.sqrt(len(per_seed))
    reach = float(stdtrit(freedom, 1 - (1 - LEVEL) / 2)) * error
    p = 2 * float(stdtr(freedom, -abs(centre) / error))
    return Effect(centre, centre - reach, centre + reach, p, n_pairs)


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction (Holm 1979): the i-th smallest of m is max over j ≤ i of (m−j+1) p_j.

    It bounds the chance of any false call in the family and needs no independence, which effects estimated
    from the same runs do not have. None (no p) stays None and does not count into m.
    """
    known = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    corrected: list[float | None] = [None] * len(ps)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        corrected[place] = highest
    return corrected
