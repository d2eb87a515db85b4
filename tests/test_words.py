"""Sizes and times as people say them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.words import duration, shortened, storage

UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
TIMES = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}


@given(st.integers(0, 10**18))
def test_a_size_is_said_to_three_digits_and_never_with_an_exponent(count: int) -> None:
    number, unit = storage(count).split()
    digits = number.replace(",", "")
    assert "e" not in digits and float(digits) * UNITS[unit] == pytest.approx(count, rel=0.005)
    assert float(digits) < 1000 or unit == "TB"


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999.6, "1 kB"), (999_499, "999 kB"), (999_999, "1 MB"), (1.5e9, "1.5 GB"), (1.2344e15, "1,234 TB")],
)
def test_sizes_are_rounded_before_their_unit_is_chosen(count: float, said: str) -> None:
    assert storage(count) == said


@given(st.floats(0, 10**8))
def test_a_time_is_said_in_two_units_that_are_near_it(seconds: float) -> None:
    words = duration(seconds).split()
    assert len(words) in (2, 4)
    said = sum(float(number) * TIMES[unit] for number, unit in zip(words[::2], words[1::2], strict=True))
    assert said == pytest.approx(seconds, rel=0.05, abs=0.05)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *((0, "0 s"), (4.25, "4.2 s"), (9.97, "10 s"), (45.4, "45 s"), (59.7, "1 min"), (92, "1 min 32 s")),
        *((3_599.9, "1 h"), (12_000, "3 h 20 min"), (3 * 86_400, "3 d"), (187_200, "2 d 4 h")),
    ],
)
def test_a_time_has_no_second_unit_where_that_is_nothing(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("prompt+steps(at=1|2|3|4)", "prompt+steps(at=1|2|3|4)"),
        ("a(m=1|0|0|0.5|0|,n=2)+b(m=x|y)", "a(m=1|0|0|… 5 in all,n=2)+b(m=x|y)"),
        ("plain", "plain"),
    ],
)
def test_a_setting_of_many_values_is_cut_short_in_a_method_that_people_read(method: str, said: str) -> None:
    assert shortened(method) == said
