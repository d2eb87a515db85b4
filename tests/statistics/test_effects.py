"""Paired effects: the parts of their variance, against brute force and scipy; where there is no interval."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from simulation import of_clips

from harness.statistics import effect, mean

unhurried = settings(max_examples=50, deadline=None)  # a busy machine takes its time
SEEDS = [0.06, 0.03, 0.05, 0.01]
INFLUENCE = np.random.default_rng(0).normal(0.002, 0.004, (4, 50))


def test_the_interval_and_p_are_those_of_the_paired_t_test():
    on, off = [0.71, 0.64, 0.69, 0.66], [0.65, 0.61, 0.66, 0.60]
    found = effect([a - b for a, b in zip(on, off, strict=True)], n_pairs=4)
    expected = stats.ttest_rel(on, off)
    low, high = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.n_seeds, found.freedom, found.clip_variance) == (4, 3, None)


@pytest.mark.parametrize("influence", [None, np.full((3, 20), 0.01)])
@pytest.mark.parametrize("per_seed", [[0.02, 0.02, 0.02], [0.0, 0.0, 0.0], [0.1 + 0.2 - 0.3, 0.0, 0.0]])
def test_without_spread_between_seeds_there_is_an_effect_but_no_p_whatever_the_clips_say(per_seed, influence):
    found = effect(per_seed, 3, of_clips(influence))
    assert found.effect == pytest.approx(mean(per_seed))
    assert (found.low, found.high, found.p, found.seed_variance) == (None, None, None, 0)
    assert found.clip_variance == (None if influence is None else pytest.approx(20 * 0.01**2))


def test_one_seed_tells_neither_the_seeds_part_nor_what_its_clips_share_with_other_seeds():
    found = effect([0.02], 1, of_clips(INFLUENCE[:1]))
    assert (found.low, found.p, found.seed_variance, found.clip_variance, found.n_seeds) == (None, None, None, None, 1)


def test_the_clips_part_is_the_mean_covariance_of_two_different_seeds():
    pairs = [float(a @ b) for a, b in itertools.permutations(INFLUENCE, 2)]
    found = effect(SEEDS, 4, of_clips(INFLUENCE))
    assert found.clip_variance == pytest.approx(mean(pairs)) and found.clip_variance > 0
    assert found.seed_variance == pytest.approx(np.var(SEEDS, ddof=1))


def test_the_interval_lies_between_that_of_seeds_alone_and_that_of_clips_alone():
    """k² = z² + (t² − z²) w^(5/4) standard errors, w the seeds' share of the variance."""
    found = effect(SEEDS, 4, of_clips(INFLUENCE))
    of_seeds = found.seed_variance / 4
    variance = of_seeds + found.clip_variance
    z, t = stats.norm.ppf(0.975), stats.t(3).ppf(0.975)
    reach = math.sqrt((z**2 + (t**2 - z**2) * (of_seeds / variance) ** 1.25) * variance)
    assert (found.low, found.high) == pytest.approx((mean(SEEDS) - reach, mean(SEEDS) + reach))
    assert found.freedom == 3


@unhurried
@given(st.floats(0.001, 0.3), st.floats(0, 0.05), st.integers(2, 8))
def test_p_is_below_a_twentieth_where_the_interval_leaves_out_0(spread, clip_sd, n):
    """The effect that the interval just leaves out has p = 0.05; a smaller one more, a larger one less."""
    pattern = list(np.linspace(-spread, spread, n))
    influence = np.full((n, 1), clip_sd)
    reach = effect(pattern, n, of_clips(influence)).high
    for factor, p in ((0.9, False), (1.1, True)):
        assert (effect([x + factor * reach for x in pattern], n, of_clips(influence)).p < 0.05) == p
    assert effect([x + reach for x in pattern], n, of_clips(influence)).p == pytest.approx(0.05, rel=1e-6)


def test_clips_that_pull_seeds_apart_take_nothing_from_the_seeds_part():
    opposed = np.array([[0.01, -0.01], [-0.01, 0.01], [0.0, 0.0], [0.0, 0.0]])
    found = effect(SEEDS, 4, of_clips(opposed))
    assert found.clip_variance == 0
    assert (found.low, found.high, found.p) == pytest.approx((lambda e: (e.low, e.high, e.p))(effect(SEEDS, 4)))


def test_with_a_pilot_the_spread_is_the_pilots_and_the_mean_is_everyones():
    added = [*SEEDS, 0.9]
    found, pilot = effect(added, 5, pilot=4), effect(SEEDS, 4)
    assert found.effect == pytest.approx(mean(added))
    assert found.seed_variance == pilot.seed_variance and found.freedom == pilot.freedom == 3
    assert (found.high - found.low) * math.sqrt(5) == pytest.approx((pilot.high - pilot.low) * math.sqrt(4))


def test_a_pilot_of_one_seed_gives_no_interval():
    assert effect(SEEDS, 4, pilot=1).low is None


@unhurried
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=6), st.floats(0.001, 1000))
def test_effects_are_the_same_in_any_unit(per_seed, unit):
    influence = INFLUENCE[[seed % 4 for seed in range(len(per_seed))]]
    here = effect(per_seed, 1, of_clips(influence))
    there = effect([unit * x for x in per_seed], 1, of_clips(unit * influence))
    if here.p is not None and there.p is not None and here.seed_variance > 1e-12:
        assert there.p == pytest.approx(here.p, abs=1e-9)
        assert there.high == pytest.approx(unit * here.high)
