"""Regular fractions: balanced, of the resolution asked for, and confounding what they say and nothing else."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

import pytest

from harness.grid.design.fractions import MOST, Signed, Word, aliases, aliases_within, best, points, resolution
from harness.grid.design.levels import Levels

CASES = [(factors, wanted) for wanted in (3, 4, 5) for factors in range(1, MOST + 1)]


def column(cells: list[Levels], effect: Word) -> tuple[int, ...]:
    """The effect's contrast: the product of its factors' columns, each −1 where off and 1 where on."""
    return tuple(math.prod(2 * cell[place] - 1 for place in effect) for cell in cells)


@pytest.mark.parametrize(("factors", "wanted"), CASES)
def test_any_factors_below_the_resolution_stand_in_every_combination_equally_often(factors: int, wanted: int) -> None:
    cells = points(factors, best(factors, wanted))
    for chosen in combinations(range(factors), min(wanted - 1, factors)):
        counts = Counter(tuple(cell[place] for place in chosen) for cell in cells)
        assert len(counts) == 2 ** len(chosen) and len(set(counts.values())) == 1


@pytest.mark.parametrize(("factors", "wanted"), CASES)
def test_a_fraction_holds_the_baseline_and_is_the_smallest_that_there_is(factors: int, wanted: int) -> None:
    # The most factors that so many runs can hold: 2^q − 1 at resolution III, 2^(q−1) at IV, and of resolution V
    # the longest binary codes of distance 5, 5 in 16 runs, 6 in 32, 8 in 64, 11 in 128 and 17 in 256.
    most = {3: lambda q: 2**q - 1, 4: lambda q: 2 ** (q - 1), 5: lambda q: {4: 5, 5: 6, 6: 8, 7: 11, 8: 17}.get(q, q)}
    cells = points(factors, best(factors, wanted))
    assert (0,) * factors in cells
    assert len(cells) == 2 ** next(q for q in range(1, factors + 1) if q == factors or most[wanted](q) >= factors)


@pytest.mark.parametrize(
    ("factors", "wanted", "lengths"),
    [(5, 4, [0, 0, 1]), (6, 4, [0, 3]), (7, 4, [0, 7]), (9, 4, [0, 6, 8]), (10, 4, [0, 10, 16]), (11, 4, [0, 25]),
     (12, 4, [0, 38]), (5, 3, [2, 1]), (6, 3, [4, 3]), (9, 3, [4, 14]), (11, 5, [0, 0, 6]), (12, 5, [0, 0, 0, 12])],
)  # fmt: skip
def test_fractions_have_the_words_of_the_known_ones_of_minimum_aberration(
    factors: int, wanted: int, lengths: list[int]
) -> None:
    words = best(factors, wanted)
    assert [sum(len(word) == length for word in words) for length in range(3, 3 + len(lengths))] == lengths
    assert resolution(words) == next(length for length, number in enumerate(lengths, start=3) if number)


@pytest.mark.parametrize("factors", [1, 2, 3, 4])
def test_where_no_fraction_will_do_every_combination_is_taken(factors: int) -> None:
    assert best(factors, 5) == () and len(points(factors, ())) == 2**factors
    assert resolution(()) is None


@pytest.mark.parametrize(("factors", "wanted"), [case for case in CASES if case[0] <= 9])
def test_aliases_are_the_effects_with_the_same_contrast_and_no_others(factors: int, wanted: int) -> None:
    words = best(factors, wanted)
    effects = [effect for order in (1, 2) for effect in combinations(range(factors), order)]
    compare(aliases(factors, words), effects, list(points(factors, words)))


@pytest.mark.parametrize("on", [[0], [1], [0, 1], [0, 2]])
@pytest.mark.parametrize("factors", range(3, 10))
def test_in_a_part_of_a_fraction_more_is_confounded_and_that_is_told_too(factors: int, on: list[int]) -> None:
    words = best(factors, 3)
    effects = [(place,) for place in range(factors) if place not in on]
    cells = [cell for cell in points(factors, words) if all(cell[place] for place in on)]
    varying = [effect for effect in effects if len(set(column(cells, effect))) > 1]
    compare(aliases_within(factors, words, on), varying, cells)


def compare(told: list[list[Signed]], effects: list[Word], cells: list[Levels]) -> None:
    """Whatever two effects have one column in these cells, or one column and its negative, and no others, are told."""
    signs = {(one, other): a * b for group in told for (a, one), (b, other) in combinations(group, 2)}
    columns = {effect: column(cells, effect) for effect in effects}
    for one, other in combinations(effects, 2):
        product_of_both = {a * b for a, b in zip(columns[one], columns[other], strict=True)}
        assert signs.pop((one, other), 0) == (product_of_both.pop() if len(product_of_both) == 1 else 0)
    assert not signs
