"""Pretended experiments whose effects are known, to see what the estimates make of them.

A clip is right where a latent score is above 0. It is a sum of normal parts: how easy the clip's class is, the seed,
the clip, and for each factor its effect, which differs from seed to seed and from clip to clip; the rest is of this
clip in this run alone. Factors are coded ±½, so that all arms have the same variance: a factor without effect leaves
every expected score exactly as it is, and expected scores are values of the normal distribution function.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import gammaincinv, ndtr, stdtrit

from harness import scores
from harness.statistics import Effect, effect, influence, shared_variance, stein
from harness.statistics.reference import critical


class World(NamedTuple):
    """One data set: clips of each class, the factors' effects, and the standard deviations of what is random."""

    sizes: tuple[int, ...] = (70, 50, 30)
    easy: tuple[float, ...] = (1.0, 0.6, 0.2)
    effects: tuple[float, ...] = (0.0,)
    interaction: float = 0.0  # of the first two factors
    seed: float = 0.0  # of a factor's effect, from seed to seed
    clip: float = 0.0  # of a factor's effect, from clip to clip
    rest: float = 0.0
    any_seed: float = 0.3  # what all arms of a seed share
    any_clip: float = 0.7  # what all runs of a clip share

    @property
    def labels(self) -> np.ndarray:
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @property
    def arms(self) -> np.ndarray:
        """`[arms, factors]`: every combination of the factors, off at −½ and on at ½."""
        return np.array(list(itertools.product((-0.5, 0.5), repeat=len(self.effects))))


# what varies in a paired difference; all have a planted effect, so that covering 0 isn't enough
WORLDS = {
    "seeds only": World(effects=(0.2,), seed=0.6),
    "seeds, and clips a little": World(effects=(0.2,), seed=0.4, clip=0.3, rest=0.5),
    "seeds and clips alike": World(effects=(0.2,), seed=0.3, clip=0.7, rest=0.3),
    "clips and rest": World(effects=(0.2,), clip=0.8, rest=0.5),
    "clips only": World(effects=(0.2,), clip=0.8),
}
# a table of no effects: what the factors do differs from seed to seed and from clip to clip, and comes to nothing
IDLE = World(effects=(0.0,) * 4, seed=0.3, clip=0.4, rest=0.5)
SETS = (IDLE, IDLE._replace(sizes=(50, 40, 30), easy=(0.8, 0.4, 0.0)), IDLE._replace(sizes=(150, 30, 20), clip=0.6))
# and one of four factors, of which two help and need each other, one does nothing and one hurts
PLANTED = World(effects=(0.5, 0.3, 0.0, -0.5), interaction=1.0, seed=0.2, clip=0.3, rest=0.3)

KNOWS = (1.2, 1.5)  # how far the two runs of `predicted` lift the right class


def main_effect(world: World, factor: int) -> np.ndarray:
    """Weights `[arms]` of a factor's effect: the mean with it minus the mean without."""
    signs = np.sign(world.arms)
    return 2 * signs[:, factor] / len(signs)


def interaction(world: World, first: int, second: int) -> np.ndarray:
    """Weights `[arms]` of the difference of differences, averaged over the levels of all other factors."""
    signs = np.sign(world.arms)
    return 4 * signs[:, first] * signs[:, second] / len(signs)


def truth(world: World, metric: str, weights: np.ndarray) -> float:
    """The contrast's expected value over seeds and clips."""
    spread = world.any_seed**2 + world.any_clip**2 + world.rest**2
    spread += len(world.effects) / 4 * (world.seed**2 + world.clip**2)
    recalls = ndtr((np.array(world.easy) + _fixed(world)[:, None]) / np.sqrt(spread))
    shares = np.array(world.sizes) / sum(world.sizes) if metric == "war" else 1 / len(world.sizes)
    return float(weights @ (recalls * shares).sum(1))


def trained(world: World, seeds: int, rng: np.random.Generator) -> np.ndarray:
    """Which clips are right: `[arms, seeds, clips]`."""
    labels, arms, factors = world.labels, world.arms, len(world.effects)
    clips = len(labels)
    latent = np.array(world.easy)[labels] + _fixed(world)[:, None, None]
    latent = latent + world.any_seed * rng.standard_normal((seeds, 1)) + world.any_clip * rng.standard_normal(clips)
    latent = latent + world.seed * np.tensordot(arms, rng.standard_normal((factors, seeds, 1)), 1)
    latent = latent + world.clip * np.tensordot(arms, rng.standard_normal((factors, 1, clips)), 1)
    if world.rest:
        latent = latent + world.rest * rng.standard_normal((len(arms), seeds, clips))
    return latent > 0


def scored(world: World, right: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Scores `[arms, seeds]` and clips' influences `[arms, seeds, clips]`; a wrong clip is called the next class."""
    labels, classes = world.labels, len(world.sizes)
    probabilities = np.eye(classes)[np.where(right, labels, (labels + 1) % classes)]
    values, influences = np.empty(right.shape[:2]), np.empty(right.shape)
    score = getattr(scores, metric)
    for run in np.ndindex(*right.shape[:2]):
        values[run], influences[run] = (
            score(probabilities[run], labels),
            influence(metric, probabilities[run], labels),
        )
    return values, influences


def of_clips(influence: np.ndarray | None) -> float | None:
    """What `effect` asks of the influences of clips on each seed's difference `[n, clips]`."""
    if influence is None:
        return None
    return shared_variance(np.square(influence.sum(0)).sum(), np.square(influence).sum(), len(influence))


def estimated(
    weights: np.ndarray, values: np.ndarray, influences: np.ndarray | None, pilot: int | None = None
) -> Effect:
    """What `effect` makes of a contrast of arms."""
    clips = of_clips(None if influences is None else np.tensordot(weights, influences, 1))
    return effect([float(weights @ values[:, seed]) for seed in range(values.shape[1])], 1, clips, pilot)


def covers(found: Effect, true: float) -> bool:
    return found.low is not None and found.high is not None and found.low <= true <= found.high


def family(worlds: Sequence[World], metric: str, seeds: int, rng: np.random.Generator) -> list[Effect]:
    """All rows of a table: each factor on each data set, and on all of them (their mean, seed by seed)."""
    runs = [(world, *scored(world, trained(world, seeds, rng), metric)) for world in worlds]
    rows = []
    for factor in range(len(worlds[0].effects)):
        rows += [estimated(main_effect(world, factor), *values) for world, *values in runs]
        weights = main_effect(worlds[0], factor)
        over_all = np.mean([values for _, values, _ in runs], axis=0)
        rows.append(estimated(weights, over_all, np.concatenate([phi for *_, phi in runs], axis=2) / len(worlds)))
    return rows


def stopped(world: World, metric: str, pilot: int, width: float, most: int, rng: np.random.Generator) -> Effect:
    """The first factor's effect where seeds were added by Stein's rule after a pilot; none beyond `most`."""
    weights, right = main_effect(world, 0), trained(world, most, rng)
    first = estimated(weights, *scored(world, right[:, :pilot], metric))
    if first.seed_variance and first.clip_variance is not None:
        seeds = stein(first.seed_variance, pilot, first.clip_variance, width) or pilot  # no number reaches it: stop
        right = right[:, : min(seeds, most)]
    return estimated(weights, *scored(world, right, metric), pilot)


def resampled(
    world: World, right: np.ndarray, metric: str, rng: np.random.Generator, draws: int = 500
) -> tuple[float, float]:
    """Interval of the first factor's effect by percentiles of a bootstrap over seeds and clips (by class for UAR)."""
    difference = np.tensordot(main_effect(world, 0), right.astype(float), 1)
    seeds, clips = difference.shape
    of_seeds = rng.multinomial(seeds, [1 / seeds] * seeds, draws) / seeds
    sizes = [clips] if metric == "war" else list(world.sizes)
    of_clips = [rng.multinomial(size, [1 / size] * size, draws) / size / len(sizes) for size in sizes]
    drawn = ((of_seeds @ difference) * np.concatenate(of_clips, axis=1)).sum(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def exact_alarms(seeds: int, share: float, p: float = 0.05, *, hillis: bool = False) -> float:
    """How often a p this small is met without an effect, where scores are normal and the clips' part is this share of
    the mean's variance. No simulation: over the distribution of s². `hillis`: with Satterthwaite's degrees of freedom.
    """
    scales, weights = _scales(seeds - 1)
    of_seeds = (1 - share) * scales
    ours = of_seeds / (of_seeds + share)
    reach = critical(ours, seeds - 1, p)
    if hillis:
        reach = -stdtrit((seeds - 1) / ours**2, p / 2)
    return float(weights @ (2 * ndtr(-reach * (of_seeds + share) ** 0.5)))


def exact_alarms_after_stein(pilot: int, share: float, p: float = 0.05, width: float = 1.2) -> float:
    """The same where the pilot's s² told how many seeds to train, for an interval of this width in standard deviations
    of a seed's difference; the clips' part is a share of what that width allows.
    """
    clip_variance = share * (width / 2 / 1.96) ** 2
    scales, weights = _scales(pilot - 1)
    seeds = np.array([stein(scale, pilot, clip_variance, width) for scale in scales])
    variance = scales / seeds + clip_variance
    reach = critical(scales / seeds / variance, pilot - 1, p) * variance**0.5
    return float(weights @ (2 * ndtr(-reach / (1 / seeds + clip_variance) ** 0.5)))


def _scales(freedom: int) -> tuple[np.ndarray, np.ndarray]:
    """What s² comes out as, over what it is (χ² / ν): quantiles and their weights, finest where it is far too small."""
    edges = np.concatenate([[0], np.geomspace(1e-9, 1e-3, 300), np.linspace(1e-3, 1, 500)[1:]])
    middles = (edges[1:] + edges[:-1]) / 2
    return 2 * gammaincinv(freedom / 2, middles) / freedom, np.diff(edges)


def predicted(
    clips: int, rng: np.random.Generator, *, sharp: float = 2.0, stratified: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities `[2, N, K]` of two runs on a fresh draw of test clips, and its labels; the second run is better.

    Both find the same clips hard. The sharper, the surer of themselves, beyond what they know (1 is about honest);
    stratified draws have always the same number of clips of each class.
    """
    shares = np.array([0.36, 0.26, 0.18, 0.12, 0.08])
    classes = len(shares)
    drawn = np.repeat(np.arange(classes), (shares * clips).round().astype(int))
    labels = drawn if stratified else rng.choice(classes, clips, p=shares)
    shared = rng.standard_normal((len(labels), classes))
    logits = [know * np.eye(classes)[labels] + 0.7 * (shared + rng.standard_normal(shared.shape)) for know in KNOWS]
    odds = np.exp(sharp * np.array(logits))
    return odds / odds.sum(2, keepdims=True), labels


def spread_of_scores(metric: str, clips: int, draws: int, rng: np.random.Generator, sharp: float) -> np.ndarray:
    """What the influences make of the variance, over what it is, over draws of the test set.

    Of one run's score, of the difference of two, and of the covariance of their scores.
    """
    score, values, squares = getattr(scores, metric), [], []
    for _ in range(draws):
        runs, labels = predicted(clips, rng, sharp=sharp, stratified=metric == "uar")
        values.append([score(run, labels) for run in runs])
        influences = np.array([influence(metric, run, labels) for run in runs])
        squares.append(influences @ influences.T)
    found, true = np.mean(squares, axis=0), np.cov(np.array(values).T)
    contrasts = [np.array(pair) for pair in ([1, 0], [1, -1])]
    ratios = [float(w @ found @ w) / float(w @ true @ w) for w in contrasts]
    return np.array([*ratios, found[0, 1] / true[0, 1]])


def _fixed(world: World) -> np.ndarray:
    arms = world.arms
    latent = arms @ np.array(world.effects)
    return latent + world.interaction * arms[:, 0] * arms[:, 1] if world.interaction else latent
