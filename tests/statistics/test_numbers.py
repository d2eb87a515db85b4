"""Sums that do not depend on the order of the runs."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from harness.statistics import deviation, mean


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=9))
def test_mean_and_deviation_do_not_depend_on_the_order(values):
    assert mean(values) == mean(values[::-1])
    assert math.isclose(deviation(values), deviation(values[::-1]), abs_tol=1e-15)
    assert deviation(values[:1]) is None
