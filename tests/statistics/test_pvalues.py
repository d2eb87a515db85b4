"""Holm's correction and McNemar's test, against their definitions."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.statistics import holm, mcnemar

unhurried = settings(max_examples=50, deadline=None)  # a busy machine takes its time
p_values = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12)


def brute_force_holm(ps: list[float]) -> list[float]:
    """The definition, word by word: the largest (m − j + 1) p_j among all that are not larger."""
    ordered = sorted(ps)
    scaled = [(p, min(1.0, (len(ps) - place) * p)) for place, p in enumerate(ordered)]
    return [max(value for q, value in scaled if q <= p) for p in ps]


@unhurried
@given(st.lists(st.floats(0, 1), unique=True, max_size=12))
def test_holm_is_its_definition(ps):
    assert holm(ps) == pytest.approx(brute_force_holm(ps))


@unhurried
@given(p_values)
def test_holm_never_lowers_a_p_and_keeps_their_order(ps):
    corrected = holm(ps)
    pairs = sorted((p, c) for p, c in zip(ps, corrected, strict=True) if p is not None)
    assert all(p <= c <= 1 for p, c in pairs)
    assert [c for _, c in pairs] == sorted(c for _, c in pairs)


@unhurried
@given(p_values)
def test_a_missing_p_stays_missing_and_does_not_count(ps):
    corrected = holm(ps)
    assert [c is None for c in corrected] == [p is None for p in ps]
    assert [c for c in corrected if c is not None] == holm([p for p in ps if p is not None])


@unhurried
@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_counts_the_splits_of_the_disagreements_that_are_no_likelier(first, second):
    total = first + second
    ways = [math.comb(total, k) for k in range(total + 1)]
    assert mcnemar(first, second) == pytest.approx(sum(w for w in ways if w <= ways[first]) / 2**total)


def test_mcnemar_tells_nothing_of_runs_that_get_the_same_clips_right():
    assert mcnemar(0, 0) == 1.0
