"""Designs train the combinations that they promise: nested factors within their parents, sizes as announced."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from design.invented import Factors, factors, switches
from harness.errors import BadInput
from harness.grid.design import Design, Levels, as_json, in_words, lay, main

KINDS = ["full", "one-at-a-time", "leave-one-out", "fractional"]
STARS = ["one-at-a-time", "leave-one-out"]
WARMUP = Factors({"ldl": 4, "warmup": 2, "moco": 2}, {"warmup": ("ldl",)})  # levels of ldl are temperatures


@given(factors(), st.sampled_from(KINDS))
def test_each_combination_stands_once_and_has_a_level_of_each_factor(chosen: Factors, kind: str) -> None:
    cells = chosen.lay(kind).cells
    assert len(set(cells)) == len(cells)
    assert all(0 <= level < size for cell in cells for level, size in zip(cell, chosen.sizes.values(), strict=True))


@given(factors(), st.sampled_from(STARS))
def test_one_at_a_time_and_leave_one_out_never_ask_for_what_is_impossible(chosen: Factors, kind: str) -> None:
    layout = chosen.lay(kind)
    assert chosen.trained(layout) == list(layout.cells)
    assert layout.cells[0] == (int(kind == "leave-one-out"),) * len(chosen.sizes)


@given(factors(chains=False), st.sampled_from(STARS))
def test_stars_have_one_run_a_level_above_the_first_and_their_centre(chosen: Factors, kind: str) -> None:
    assert len(chosen.lay(kind).cells) == 1 + sum(size - 1 for size in chosen.sizes.values())


@given(factors())
def test_full_is_every_combination_that_is_possible(chosen: Factors) -> None:
    layout = chosen.lay("full")
    assert len(layout.cells) == math.prod(chosen.sizes.values())


@given(factors(), st.sampled_from(KINDS))
def test_what_is_nested_in_what_is_found_by_trying(chosen: Factors, kind: str) -> None:
    found = {name: set(needed) for name, needed in chosen.lay(kind).nested.items()}
    assert found == {name: chosen.ancestors(name) for name in chosen.parents}


def test_a_nested_factor_stands_on_its_parent_alone_and_goes_back_with_it() -> None:
    assert WARMUP.lay("one-at-a-time").cells == ((0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0), (1, 1, 0), (0, 0, 1))
    assert WARMUP.lay("leave-one-out").cells == ((1, 1, 1), (0, 0, 1), (1, 0, 1), (2, 0, 1), (3, 0, 1), (1, 1, 0))


def test_a_parent_of_two_is_judged_without_both() -> None:
    cells = switches(2, x=("a",), y=("a",)).lay("leave-one-out").cells
    assert cells == ((1, 1, 1, 1), (0, 1, 0, 0), (1, 1, 0, 0), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 1, 0))


def test_a_factor_that_needs_two_is_compared_with_the_two_alone() -> None:
    cells = switches(2, x=("a", "b")).lay("one-at-a-time").cells
    assert cells == ((0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0), (1, 1, 1))


def test_only_levels_that_need_a_factor_go_back_with_it() -> None:
    def why_not(levels: tuple[int, ...]) -> str:
        return "x needs a at its level 2" if levels[1] == 2 and not levels[0] else ""

    assert lay(Design("leave-one-out"), {"a": 2, "x": 3}, why_not).cells == ((1, 1), (0, 1), (1, 0), (1, 2))
    assert lay(Design("one-at-a-time"), {"a": 2, "x": 3}, why_not).cells == ((0, 0), (1, 0), (0, 1), (1, 2))


def test_a_level_that_stands_alone_is_not_nested_with_its_factors_others() -> None:
    def why_not(levels: Levels) -> str:
        t, a, b = levels[0], levels[1], levels[2]
        return "t needs a" if t == 2 and not a else "t needs b" if t == 3 and not b else ""

    layout = lay(Design("fractional", 3), {"t": 4, "a": 2, "b": 2, "c": 2}, why_not)
    assert not layout.nested and layout.partly == {("t", 2): ["a"], ("t", 3): ["b"]}
    told = as_json(layout)
    assert told["partly_nested"] == [
        {"factor": "t", "level": 2, "needs": ["a"]}, {"factor": "t", "level": 3, "needs": ["b"]},
    ]  # fmt: skip
    lines = in_words(told)
    assert any(line.startswith("level 2 of t exists only within a: its effect is the one within a") for line in lines)
    assert not any(line.startswith("t exists only") for line in lines)
    cells = [cell for cell in layout.cells if not why_not(cell)]
    assert [main(cells, 0, level, told).n_pairs for level in (1, 2, 3)] == [4, 2, 2]
    assert main(cells, 1, 1, told).n_pairs == 4  # of the whole fraction at t=0 and t=1
    assert sum(cell[0] == 1 for cell in main(cells, 1, 1, told).weights) == 4


def test_a_fraction_is_crossed_with_levels_and_nested_factors() -> None:
    chosen = Factors({"t": 3, **dict.fromkeys("abcd", 2), "x": 2}, {"x": ("a",)})
    layout = chosen.lay("fractional")
    assert layout.fraction == ("a", "b", "c", "d")
    cells = chosen.trained(layout)
    assert len(cells) == 3 * (8 + 4)
    assert all((cell[1] + cell[2] + cell[3] + cell[4]) % 2 == 0 for cell in cells)


@pytest.mark.parametrize(("number", "resolution", "runs"), [(3, 3, 4), (3, 4, 8), (4, 4, 8), (5, 5, 16), (7, 3, 8)])
def test_a_fraction_is_the_smallest_of_the_wanted_resolution(number: int, resolution: int, runs: int) -> None:
    assert len(switches(number).lay("fractional", resolution).cells) == runs


def test_the_plan_stores_what_the_leaderboard_needs() -> None:
    assert as_json(switches(4, x=("a",)).lay("fractional")) == {
        "kind": "fractional",
        "factors": ["a", "b", "c", "d", "x"],
        "nested": {"x": ["a"]},
        "wanted": 4,
        "resolution": 4,
        "fraction": ["a", "b", "c", "d"],
        "words": [["a", "b", "c", "d"]],
        "aliases": [["a×b", "c×d"], ["a×c", "b×d"], ["a×d", "b×c"]],
    }
    assert as_json(WARMUP.lay("full")) == {
        "kind": "full", "factors": ["ldl", "warmup", "moco"], "nested": {"warmup": ["ldl"]},
    }  # fmt: skip
    assert as_json(lay(Design("list"), {}, lambda levels: "")) == {"kind": "list"}


def excluding(levels: tuple[int, ...]) -> str:
    return "a and b exclude each other" if levels[0] and levels[1] else ""


@pytest.mark.parametrize(
    ("kind", "message"),
    [("leave-one-out", "everything on, and a and b exclude each other.*one-at-a-time"),
     ("fractional", "a fraction needs a with b.*levels of one factor")],
)  # fmt: skip
def test_factors_that_exclude_each_other_can_be_alone_but_neither_all_on_nor_in_a_fraction(
    kind: str, message: str
) -> None:
    sizes = dict.fromkeys("abcd", 2)
    with pytest.raises(BadInput, match=message):
        lay(Design(kind), sizes, excluding)
    assert len(lay(Design("one-at-a-time"), sizes, excluding).cells) == 5


def test_a_baseline_that_can_not_be_trained_is_said() -> None:
    with pytest.raises(BadInput, match="starts from level 0 of each factor, and nothing works.*'full'"):
        lay(Design("one-at-a-time"), {"a": 2}, lambda levels: "nothing works")


@pytest.mark.parametrize(
    ("number", "kind", "message"),
    [(13, "full", "8192 methods.*smaller design"), (13, "fractional", "13 factors.*keep to 12"), (60, "full", "drop")],
)
def test_too_many_runs_are_refused_before_they_are_made(number: int, kind: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        lay(Design(kind), {str(place): 2 for place in range(number)}, lambda levels: "")
