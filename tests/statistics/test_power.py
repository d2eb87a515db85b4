"""Detectable effects and numbers of seeds, against the noncentral t and against what `effect` then does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from simulation import of_clips

from harness.statistics import detectable, effect, seeds_needed, stein

unhurried = settings(max_examples=50, deadline=None)  # a busy machine takes its time
variances = st.floats(1e-5, 1e-2)


@pytest.mark.parametrize("n", [2, 3, 5, 10, 30])
def test_without_clips_the_power_is_that_of_the_noncentral_t(n):
    least = detectable(0.02**2, 0.0, n)
    t = stats.nct(n - 1, least / (0.02 / math.sqrt(n)))
    reach = stats.t(n - 1).ppf(0.975)
    assert t.sf(reach) == pytest.approx(0.8, abs=0.001)


@pytest.mark.parametrize(("n", "freedom"), [(12, 2), (12, 4), (5, 4)])
def test_seeds_added_to_a_pilot_leave_it_the_pilots_degrees_of_freedom(n, freedom):
    least = detectable(0.02**2, 0.0, n, freedom=freedom)
    t = stats.nct(freedom, least / (0.02 / math.sqrt(n)))
    assert t.sf(stats.t(freedom).ppf(0.975)) == pytest.approx(0.8, abs=0.001)
    assert seeds_needed(least * (1 + 1e-6), 0.02**2, 0.0, freedom=freedom) == n
    assert seeds_needed(least * (1 - 1e-6), 0.02**2, 0.0, freedom=freedom) == n + 1


def test_with_clips_the_test_finds_a_detectable_effect_as_often_as_promised():
    rng, n, seed_sd, clip_sd = np.random.default_rng(0), 4, 0.03, 0.012
    least = detectable(seed_sd**2, clip_sd**2, n)
    influence = np.full((n, 1), clip_sd)  # one clip stands for all: its square is the clips' part
    found = 0
    for _ in range(4000):
        per_seed = least + clip_sd * rng.standard_normal() + seed_sd * rng.standard_normal(n)
        found += effect(list(per_seed), n, of_clips(influence)).p < 0.05
    assert found / 4000 == pytest.approx(0.8, abs=4 * 0.4 / math.sqrt(4000))


@unhurried
@given(variances, variances, st.integers(2, 40))
def test_more_seeds_find_smaller_effects_but_none_smaller_than_the_clips_allow(seed_variance, clip_variance, n):
    here, there = (detectable(seed_variance, clip_variance, seeds) for seeds in (n, n + 1))
    floor = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * math.sqrt(clip_variance)
    assert here > there > floor


@unhurried
@given(variances, st.floats(0, 1e-3), st.floats(0.005, 0.2))
def test_the_seeds_needed_are_the_fewest_that_find_it(seed_variance, clip_variance, size):
    n = seeds_needed(size, seed_variance, clip_variance)
    floor = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * math.sqrt(clip_variance)
    if n is None:
        assert size < 1.001 * floor
    else:
        assert detectable(seed_variance, clip_variance, n) <= size * (1 + 1e-6)
        assert n == 2 or detectable(seed_variance, clip_variance, n - 1) > size * (1 - 1e-6)


def test_an_effect_that_the_clips_hide_needs_no_number_of_seeds():
    assert seeds_needed(0.02, 0.01**2, 0.01**2) is None
    assert seeds_needed(-0.03, 0.01**2, 0.01**2) == seeds_needed(0.03, 0.01**2, 0.01**2)


def test_a_stricter_level_and_a_higher_power_need_larger_effects():
    usual = detectable(0.02**2, 0.01**2, 5)
    assert detectable(0.02**2, 0.01**2, 5, level=0.99) > usual
    assert detectable(0.02**2, 0.01**2, 5, power=0.9) > usual


def test_where_the_test_calls_nothing_nothing_is_detectable():
    assert detectable(0.02**2, 0.0, 1) is None
    assert detectable(0.0, 0.01**2, 5) is None
    assert seeds_needed(0.1, 0.0, 0.01**2) is None


@unhurried
@given(st.lists(st.floats(-0.1, 0.1), min_size=2, max_size=5), st.floats(0, 0.01), st.floats(0.01, 0.3))
def test_steins_number_is_the_fewest_seeds_with_an_interval_as_narrow_as_wished(pilot, clip_sd, width):
    spread = float(np.var(pilot, ddof=1))
    n = stein(spread, len(pilot), clip_sd**2, width)
    if spread < 1e-6 or n is None or n > 5000:
        return
    for seeds, narrow in ((n, True), (n - 1, False)):
        if seeds >= len(pilot):
            found = effect(
                [*pilot, *[0.0] * (seeds - len(pilot))], 1, of_clips(np.full((seeds, 1), clip_sd)), len(pilot)
            )
            assert (found.high - found.low <= width * (1 + 1e-6)) == narrow


def test_no_number_of_seeds_is_named_where_the_clips_alone_give_a_wider_interval():
    assert stein(0.02**2, 3, 0.01**2, width=2 * 1.95 * 0.01) is None
    assert stein(0.02**2, 3, 0.01**2, width=2 * 2.0 * 0.01) > 3
    assert stein(0.0, 3, 0.0, width=0.1) is None
    assert stein(0.02**2, 1, 0.0, width=0.1) is None
