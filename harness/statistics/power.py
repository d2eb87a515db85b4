"""What a number of seeds can show, and how many seeds it takes, by the very test that `effect` makes.

All take the two parts of an effect's variance as `Effect` gives them: `seed_variance`, of one seed's difference, and
`clip_variance`, which no seed takes away. They take them as known; estimated from few seeds they are a rough guide.
`freedom` are the degrees of freedom that the test will have where they are fewer than one less than its seeds: where
a pilot's seeds alone are judged by (Stein's rule).
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable

import numpy as np
from scipy.special import gammaincinv, ndtr

from harness.statistics.effects import LEVEL
from harness.statistics.reference import critical

MOST = 10**6  # seeds; a number above it is none that anyone trains
_POINTS = (np.arange(400) + 0.5) / 400  # of the distribution of s², by its quantiles


def detectable(
    seed_variance: float,
    clip_variance: float,
    n: int,
    level: float = LEVEL,
    power: float = 0.8,
    freedom: int | None = None,
) -> float | None:
    """The smallest effect that n seeds find with this power, in the unit of the score: it may be larger than scores
    can differ by.

    None without spread over seeds, or with a single one: then the test calls nothing.
    """
    if n < 2 or not seed_variance:
        return None
    reach = _reach(seed_variance, clip_variance, n, level, freedom)
    error = math.sqrt(seed_variance / n + clip_variance)
    low, high = 0.0, float(reach.max()) + 10 * error
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _found(middle, reach, error) < power else (low, middle)
    return high


def seeds_needed(
    effect: float,
    seed_variance: float,
    clip_variance: float,
    level: float = LEVEL,
    power: float = 0.8,
    freedom: int | None = None,
) -> int | None:
    """The smallest number of seeds (a pilot's at least) that find an effect of this size; None where the test clips
    are too few for it, and without spread over seeds.
    """
    if not seed_variance:
        return None

    def enough(n: int) -> bool:
        error = math.sqrt(seed_variance / n + clip_variance)
        return _found(abs(effect), _reach(seed_variance, clip_variance, n, level, freedom), error) >= power

    return _first(enough, 2 if freedom is None else freedom + 1)


def stein(seed_variance: float, pilot: int, clip_variance: float, width: float, level: float = LEVEL) -> int | None:
    """Stein's second stage (1945): the number of seeds, the pilot's included, for an interval no wider than `width`.

    None where no number reaches it: the clips alone give a wider one, or the pilot shows no spread to judge by.
    """
    if pilot < 2 or not seed_variance:
        return None

    def narrow(n: int) -> bool:
        of_seeds = seed_variance / n
        variance = of_seeds + clip_variance
        return 2 * critical(of_seeds / variance, pilot - 1, 1 - level) * math.sqrt(variance) <= width

    return _first(narrow, pilot)


def _reach(seed_variance: float, clip_variance: float, n: int, level: float, freedom: int | None) -> np.ndarray:
    """Half widths of the intervals that n seeds give: with f degrees of freedom s² varies as σ² χ²(f) / f."""
    freedom = n - 1 if freedom is None else freedom
    half = freedom / 2
    of_seeds = seed_variance / n * gammaincinv(half, _POINTS) / half
    variance = of_seeds + clip_variance
    return np.asarray(critical(of_seeds / variance, freedom, 1 - level) * np.sqrt(variance))


def _found(effect: float, reach: np.ndarray, error: float) -> float:
    """How often an estimate with this standard error is farther from 0 than its interval reaches."""
    return float(np.mean(ndtr((effect - reach) / error) + ndtr((-effect - reach) / error)))


def _first(holds: Callable[[int], bool], least: int) -> int | None:
    """The smallest number from `least` on for which it holds; it then holds for all above."""
    high = least
    while not holds(high):
        if high >= MOST:
            return None
        high = min(2 * high, MOST)
    return least + bisect.bisect_left(range(least, high), True, key=holds)
