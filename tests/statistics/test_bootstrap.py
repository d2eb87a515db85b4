"""Interquartile means and probabilities of improvement, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.statistics import interquartile_mean, probability_of_improvement

unhurried = settings(max_examples=50, deadline=None)  # a busy machine takes its time
score = st.floats(0, 1)
runs = st.lists(st.lists(score, min_size=2, max_size=6), min_size=1, max_size=4)

OURS = [[0.61, 0.63, 0.66], [0.41, 0.44, 0.40]]
THEIRS = [[0.60, 0.62, 0.64], [0.42, 0.38, 0.39]]


@unhurried
@given(runs)
def test_the_interquartile_mean_is_the_mean_without_a_quarter_at_either_end(scores):
    pooled = [value for part in scores for value in part]
    found = interquartile_mean(scores)
    assert found.value == pytest.approx(stats.trim_mean(pooled, 0.25))
    assert min(pooled) - 1e-12 <= found.low <= found.high <= max(pooled) + 1e-12


@unhurried
@given(
    st.lists(st.tuples(st.lists(score, min_size=2, max_size=5), st.lists(score, min_size=2, max_size=5)), min_size=1)
)
def test_the_probability_of_improvement_is_mann_whitneys_averaged_over_data_sets(parts):
    expected = np.mean([stats.mannwhitneyu(x, y).statistic / (len(x) * len(y)) for x, y in parts])
    x, y = [x for x, _ in parts], [y for _, y in parts]
    assert probability_of_improvement(x, y).value == pytest.approx(expected)
    assert probability_of_improvement(y, x).value == pytest.approx(1 - expected)


def test_ties_count_half_and_a_run_that_always_wins_is_certain():
    assert probability_of_improvement([[0.5, 0.5]], [[0.5, 0.5]]).value == 0.5
    sure = probability_of_improvement([[0.8, 0.9]], [[0.5, 0.6]])
    assert (sure.value, sure.low, sure.high) == (1, 1, 1)


def test_neither_depends_on_the_order_of_runs_or_data_sets():
    def turned(scores):
        return [part[::-1] for part in scores[::-1]]

    assert interquartile_mean(turned(OURS)) == interquartile_mean(OURS)
    assert probability_of_improvement(turned(OURS), turned(THEIRS)) == probability_of_improvement(OURS, THEIRS)


def test_seeds_are_drawn_within_their_data_set():
    """Data sets that differ widely, with seeds that agree: nothing to draw makes a difference."""
    found = interquartile_mean([[0.2, 0.2], [0.9, 0.9]])
    assert (found.value, found.low, found.high) == pytest.approx((0.55, 0.55, 0.55))


def test_a_data_set_with_one_seed_gives_no_interval():
    assert interquartile_mean([[0.5], [0.6, 0.7]]).low is None
    assert probability_of_improvement([[0.5]], [[0.4, 0.3]]).high is None
