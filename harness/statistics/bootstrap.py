"""Summaries over data sets and seeds that no single lucky or failed run decides (Agarwal et al. 2021).

Intervals are percentiles of a bootstrap that draws the seeds of each data set anew, as in rliable. They carry the
seeds' variance on these data sets and clips, and are too narrow for few seeds (docs/statistics.md says how much): they
describe, and nothing is called an effect by them. Runs are put in order first, so theirs never shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.statistics.effects import LEVEL

DRAWS = 2000
_TOGETHER = 10**6  # drawn scores that are in memory at once
_SEED = 0  # of the draws, so that the same runs give the same table


@dataclass(frozen=True)
class Estimate:
    """A summary and its bootstrap interval, which is None where a data set has a single seed to draw from."""

    value: float
    low: float | None
    high: float | None


def interquartile_mean(scores: Sequence[Sequence[float]]) -> Estimate:
    """Mean of the middle half of all scores, given as the seeds' scores of each data set.

    Robust as a median is, and as precise as a mean nearly is: a quarter of the runs (rounded down) is left out at
    either end.
    """
    return _estimate([(np.array(part),) for part in sorted(map(sorted, scores))], _middle)


def probability_of_improvement(x: Sequence[Sequence[float]], y: Sequence[Sequence[float]]) -> Estimate:
    """How often a run of x beats one of y on the same data set, ties half, averaged over data sets.

    Seeds needn't be paired: every run of x meets every run of y (Mann & Whitney's U over its largest value).
    """
    parts = sorted((sorted(ours), sorted(theirs)) for ours, theirs in zip(x, y, strict=True))
    return _estimate([(np.array(ours), np.array(theirs)) for ours, theirs in parts], _improvement)


Strata = list[tuple[np.ndarray, ...]]


def _estimate(strata: Strata, summary: Callable[[Strata], np.ndarray]) -> Estimate:
    value = float(summary([tuple(scores[None] for scores in part) for part in strata])[0])
    sizes = [len(scores) for part in strata for scores in part]
    if min(sizes) < 2:
        return Estimate(value, None, None)
    rng = np.random.default_rng(_SEED)
    at_once = max(1, min(DRAWS, _TOGETHER // sum(sizes)))
    summaries = [summary(_drawn(strata, rng, min(at_once, DRAWS - done))) for done in range(0, DRAWS, at_once)]
    low, high = np.quantile(np.concatenate(summaries), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high))


def _drawn(strata: Strata, rng: np.random.Generator, draws: int) -> Strata:
    return [tuple(scores[rng.integers(len(scores), size=(draws, len(scores)))] for scores in part) for part in strata]


def _middle(strata: Strata) -> np.ndarray:
    pooled = np.sort(np.concatenate([scores for (scores,) in strata], axis=1), axis=1)
    cut = pooled.shape[1] // 4
    return np.asarray(pooled[:, cut : pooled.shape[1] - cut].mean(1))


def _improvement(strata: Strata) -> np.ndarray:
    """By how many of theirs each value has below it, so that no table of all pairs is made."""
    won = []
    for ours, theirs in strata:
        values = np.unique(np.concatenate([ours, theirs], axis=None))
        mine, other = np.searchsorted(values, ours), np.searchsorted(values, theirs)
        rows = np.arange(len(other))[:, None] * len(values)
        having = np.bincount((rows + other).ravel(), minlength=len(other) * len(values)).reshape(len(other), -1)
        beaten = np.take_along_axis(having.cumsum(1) - having / 2, mine, axis=1)
        won.append(beaten.mean(1) / theirs.shape[1])
    return np.asarray(np.mean(won, axis=0))
