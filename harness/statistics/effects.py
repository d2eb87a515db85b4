"""Paired effects: what a difference comes to when both the seeds and the test clips might have been others.

The seed is one unit of replication: all differences of one seed are averaged before anything is tested, since runs
that share a seed share their initial weights and their order of clips and are not independent. The clips are the
other: all seeds are scored on the same ones, so a luck of the draw of clips is in every seed's difference alike, and
no spread over seeds can show it. Seeds × clips are crossed random effects, as readers × cases are in studies of
diagnostic imaging, and the variance of the mean is put together as it is there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.scores import ERRORS
from harness.statistics.numbers import deviation, mean
from harness.statistics.reference import critical, p_value

LEVEL = 0.95  # of every interval; a corrected p below 1 − LEVEL is called an effect
_NO_SPREAD = 1e-12  # standard deviations below it are rounding, not spread


@dataclass(frozen=True)
class Effect:
    """A mean paired difference. `low`, `high` and `p` are None where the seeds show no spread to judge by.

    Its variance is `seed_variance` / n_seeds + `clip_variance`; `freedom` are the degrees of freedom of
    `seed_variance`. `clip_variance` is None where the clips' part isn't known: then the interval carries the seeds'
    alone.
    """

    effect: float
    low: float | None
    high: float | None
    p: float | None
    n_pairs: int
    n_seeds: int
    seed_variance: float | None = None
    clip_variance: float | None = None
    freedom: int | None = None

    @property
    def of_seeds_alone(self) -> bool:
        """Whether there is an interval that lacks the clips' part."""
        return self.low is not None and self.clip_variance is None


def sure(p: float | None) -> bool:
    """Whether an effect can be told from nothing by its p, corrected where several are read at once."""
    return p is not None and p < 1 - LEVEL


def verdict(effect: float, p: float | None, metric: str) -> str:
    """What an effect on a score comes to: helps, hurts, or can't tell."""
    if not sure(p):
        return "can't tell"
    return "helps" if (effect > 0) != (metric in ERRORS) else "hurts"


def effect(
    per_seed: Sequence[float], n_pairs: int, clip_variance: float | None = None, pilot: int | None = None
) -> Effect:
    """Mean difference d̄ over n seeds with the interval d̄ ± k √V and the two-sided p of d̄ / √V.

    V = s²/n + c: s² is the variance of the seeds' differences, c = `clip_variance` the covariance that two seeds'
    differences have for being scored on the same clips (Obuchowski & Rockette 1995; see `shared_variance`). Without it
    this is Student's paired t. What k is with both, and why, stands in `reference`.

    `pilot`: how many of the seeds (the first) were there before the others were added to reach a width. Then s² and
    its degrees of freedom come from the pilot alone (Stein 1945), since a variance that looked at when to stop is too
    small. Without spread over seeds, or with a single one, there is neither interval nor p, whatever the clips say:
    seeds that agree to the last digit are one run repeated, or a coincidence of few clips.
    """
    centre, n, judged = mean(per_seed), len(per_seed), per_seed[:pilot]
    spread = deviation(judged)
    if spread is None or spread < _NO_SPREAD:
        return Effect(centre, None, None, None, n_pairs, n, None if spread is None else 0.0, clip_variance)
    of_seeds = spread**2 / n
    variance = of_seeds + (clip_variance or 0.0)
    share, error, freedom = of_seeds / variance, math.sqrt(variance), len(judged) - 1
    reach = critical(share, freedom, 1 - LEVEL) * error
    p = p_value(centre / error, share, freedom)
    return Effect(centre, centre - reach, centre + reach, p, n_pairs, n, spread**2, clip_variance, freedom)


def shared_variance(total: float, squares: float, seeds: int) -> float | None:
    """Covariance of two seeds' differences for sharing their clips, from the influences φ of the clips on each.

    It is the mean over pairs of different seeds of Σ φ φ', cut at 0. `total` is |Σ φ|², the sum over the seeds taken
    first, and `squares` Σ |φ|²; None for less than two seeds.
    """
    return None if seeds < 2 else max(0.0, (total - squares) / (seeds * (seeds - 1)))
