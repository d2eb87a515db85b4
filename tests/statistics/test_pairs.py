"""Paired effects and Holm's correction, against brute force and scipy."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.statistics import Cell, average, deviation, differences, effect, holm, mean, seed_means

p_values = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12)


def brute_force_holm(ps: list[float]) -> list[float]:
    """The definition, word by word: the largest (m − j + 1) p_j among all that are not larger."""
    ordered = sorted(ps)
    scaled = [(p, min(1.0, (len(ps) - place) * p)) for place, p in enumerate(ordered)]
    return [max(value for q, value in scaled if q <= p) for p in ps]


@given(st.lists(st.floats(0, 1), unique=True, max_size=12))
def test_holm_is_its_definition(ps):
    assert holm(ps) == pytest.approx(brute_force_holm(ps))


@given(p_values)
def test_holm_never_lowers_a_p_and_keeps_their_order(ps):
    corrected = holm(ps)
    pairs = sorted((p, c) for p, c in zip(ps, corrected, strict=True) if p is not None)
    assert all(p <= c <= 1 for p, c in pairs)
    assert [c for _, c in pairs] == sorted(c for _, c in pairs)


@given(p_values)
def test_a_missing_p_stays_missing_and_does_not_count(ps):
    corrected = holm(ps)
    assert [c is None for c in corrected] == [p is None for p in ps]
    assert [c for c in corrected if c is not None] == holm([p for p in ps if p is not None])


def test_the_interval_and_p_are_those_of_the_paired_t_test():
    on, off = [0.71, 0.64, 0.69, 0.66], [0.65, 0.61, 0.66, 0.60]
    found = effect([a - b for a, b in zip(on, off, strict=True)], n_pairs=4)
    expected = stats.ttest_rel(on, off)
    low, high = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((low, high))


@pytest.mark.parametrize("per_seed", [[0.02], [0.02, 0.02, 0.02], [0.0, 0.0, 0.0], [0.1 + 0.2 - 0.3, 0.0]])
def test_without_spread_between_seeds_there_is_an_effect_but_no_p(per_seed):
    found = effect(per_seed, n_pairs=len(per_seed))
    assert found.effect == pytest.approx(mean(per_seed))
    assert (found.low, found.high, found.p) == (None, None, None)


def test_a_pair_differs_in_one_factor_only():
    values = {Cell(levels, "", 0): score for levels, score in {(0, 0): 1.0, (0, 1): 2.0, (1, 1): 5.0}.items()}
    assert differences(values, 0) == {0: [3.0]}
    assert differences(values, 1) == {0: [1.0]}


def test_a_factor_within_another_is_paired_only_there():
    """Warm-up (second) exists only where LDL (first) is on."""
    values = {Cell((0, 0), "", 0): 1.0, Cell((1, 0), "", 0): 3.0, Cell((1, 1), "", 0): 7.0}
    assert differences(values, 0) == {0: [2.0]}
    assert differences(values, 1) == {0: [4.0]}


def test_runs_of_different_seeds_or_blocks_never_pair():
    values = {Cell((0,), "", 0): 1.0, Cell((1,), "", 1): 2.0, Cell((1,), "train.epochs=5", 0): 3.0}
    assert differences(values, 0) == {}


def test_each_level_is_compared_with_level_zero():
    values = {Cell((level,), "", 0): score for level, score in enumerate([1.0, 2.0, 4.0])}
    assert differences(values, 0, 1) == {0: [1.0]}
    assert differences(values, 0, 2) == {0: [3.0]}


def test_seeds_weigh_the_same_however_many_pairs_they_have():
    assert seed_means({0: [1.0, 3.0], 1: [5.0]}) == {0: 2.0, 1: 5.0}


def test_the_mean_over_data_sets_uses_the_seeds_that_all_of_them_have():
    assert average([{0: 1.0, 1: 2.0}, {0: 3.0, 2: 9.0}]) == {0: 2.0}
    assert average([]) == {}


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=9))
def test_mean_and_deviation_do_not_depend_on_the_order(values):
    assert mean(values) == mean(values[::-1])
    assert math.isclose(deviation(values), deviation(values[::-1]), abs_tol=1e-15)
    assert deviation(values[:1]) is None
