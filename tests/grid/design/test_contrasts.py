"""Weights recover planted effects exactly from scores without noise, and say nothing where they could not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from design.invented import Factors, Planted, factors, planted, switches, treatments
from harness.grid.design import Contrast, interaction, main

KINDS = ["full", "one-at-a-time", "leave-one-out", "fractional"]
exactly = pytest.approx


def halves(contrast: Contrast) -> tuple[float, float]:
    values = contrast.weights.values()
    return sum(value for value in values if value > 0), sum(value for value in values if value < 0)


@given(st.data(), factors(), st.sampled_from(KINDS), st.sampled_from([3, 4, 5]))
def test_every_design_tells_every_effect_of_what_adds_up(
    data: st.DataObject, chosen: Factors, kind: str, resolution: int
) -> None:
    cells, design = chosen.run(kind, resolution)
    world = data.draw(planted(chosen.sizes.values()))
    for place, level in treatments(chosen.sizes.values()):
        found = main(cells, place, level, design)
        assert halves(found) == exactly((1, -1)) and found.n_pairs > 0
        assert world.estimate(found.weights) == exactly(world.alone[place, level], abs=1e-9)


@given(st.data(), factors(), st.sampled_from(KINDS))
def test_unfinished_runs_cost_estimates_and_never_bend_them(data: st.DataObject, chosen: Factors, kind: str) -> None:
    cells, design = chosen.run(kind, 3)
    done = data.draw(st.sets(st.sampled_from(cells)))
    world = data.draw(planted(chosen.sizes.values()))
    for place, level in treatments(chosen.sizes.values()):
        found = main(done, place, level, design)
        assert found.weights.keys() <= done
        assert (found.n_pairs > 0) == bool(found.weights)
        if found.weights:
            assert halves(found) == exactly((1, -1))
            assert world.estimate(found.weights) == exactly(world.alone[place, level], abs=1e-9)


@given(st.data(), factors(4))
def test_every_combination_tells_interactions(data: st.DataObject, chosen: Factors) -> None:
    cells, design = chosen.run("full")
    world = data.draw(planted(chosen.sizes.values(), interactions=True))
    nested = {(child, parent) for child, needed in design["nested"].items() for parent in needed}
    for (first, second), effect in ((sorted(pair), effect) for pair, effect in world.together.items()):
        names = [design["factors"][place] for place, _ in (first, second)]
        found = interaction(cells, first, second, design)
        if first[0] == second[0] or nested & {tuple(names), tuple(reversed(names))}:
            assert found == ({}, 0)  # one exists only where the other is on
        else:
            assert halves(found) == exactly((2, -2))
            assert world.estimate(found.weights) == exactly(effect, abs=1e-9)


@pytest.mark.parametrize("number", [5, 6, 8])
@settings(max_examples=20)
@given(data=st.data())
def test_at_resolution_five_a_fraction_tells_interactions_too(data: st.DataObject, number: int) -> None:
    cells, design = switches(number).run("fractional", 5)
    assert len(cells) < 2**number
    world = data.draw(planted([2] * number, interactions=True))
    for pair, effect in world.together.items():
        assert world.estimate(interaction(cells, *sorted(pair), design).weights) == exactly(effect, abs=1e-9)


@pytest.mark.parametrize("number", [4, 5, 6])
@given(data=st.data())
def test_at_resolution_four_main_effects_are_those_of_every_combination_whatever_two_factors_do(
    data: st.DataObject, number: int
) -> None:
    every, full = switches(number, x=("a",)).run("full")
    cells, design = switches(number, x=("a",)).run("fractional", 4)
    world = data.draw(planted([2] * (number + 1), interactions=True))
    alone = [cell for cell in every if not cell[-1]]  # the parent's fraction is judged without what is nested in it
    for place in range(number):
        assert world.estimate(main(cells, place, 1, design).weights) == exactly(
            world.estimate(main(alone, place, 1, full).weights), abs=1e-9
        )
    nested = world.estimate(main(every, number, 1, full).weights)
    assert world.estimate(main(cells, number, 1, design).weights) == exactly(nested, abs=1e-9)
    for place in range(1, number):
        effect = world.together[frozenset({(place, 1), (number, 1)})]
        found = interaction(cells, (place, 1), (number, 1), design)
        assert world.estimate(found.weights) == exactly(effect, abs=1e-9)


@given(st.data())
def test_confounded_interactions_come_as_their_sum(data: st.DataObject) -> None:
    cells, design = switches(4).run("fractional")
    world = data.draw(planted([2] * 4, interactions=True))
    for (first, second), (third, fourth) in (((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2))):
        both = sum(world.together[frozenset({(a, 1), (b, 1)})] for a, b in ((first, second), (third, fourth)))
        found = interaction(cells, (first, 1), (second, 1), design)
        assert world.estimate(found.weights) == exactly(both, abs=1e-9)
        assert found.weights == interaction(cells, (third, 1), (fourth, 1), design).weights


def test_an_interaction_that_is_another_factors_main_effect_is_not_told() -> None:
    cells, design = switches(3).run("fractional", 3)
    assert len(cells) == 4
    assert interaction(cells, (0, 1), (1, 1), design) == ({}, 0)
    assert main(cells, 2, 1, design).n_pairs == 2


def test_a_factor_that_never_changes_where_another_exists_has_no_interaction_with_it() -> None:
    cells, design = switches(3, x=("a", "b")).run("fractional", 3)
    assert sorted(cells) == [(0, 0, 0, 0), (0, 1, 1, 0), (1, 0, 1, 0), (1, 1, 0, 0), (1, 1, 0, 1)]
    assert interaction(cells, (2, 1), (3, 1), design) == ({}, 0)
    assert main(cells, 3, 1, design) == ({(1, 1, 0, 1): 1.0, (1, 1, 0, 0): -1.0}, 1)


@given(st.data(), st.sampled_from([3, 4, 5]))
def test_a_fraction_with_a_run_missing_tells_nothing_of_its_factors(data: st.DataObject, resolution: int) -> None:
    cells, design = switches(5).run("fractional", resolution)
    cells.remove(data.draw(st.sampled_from(cells)))
    assert all(main(cells, place, 1, design) == ({}, 0) for place in range(5))
    assert interaction(cells, (0, 1), (1, 1), design) == ({}, 0)


def test_levels_crossed_with_a_fraction_are_judged_by_pairs_and_its_factors_where_it_is_whole() -> None:
    chosen = Factors({**dict.fromkeys("abcd", 2), "t": 3}, {})
    cells, design = chosen.run("fractional")
    cells.remove((0, 0, 0, 0, 2))
    assert [main(cells, 4, level, design).n_pairs for level in (1, 2)] == [8, 7]
    assert main(cells, 0, 1, design).n_pairs == 2 * 4
    assert [interaction(cells, (0, 1), (4, level), design).n_pairs for level in (1, 2)] == [4, 0]


def test_one_at_a_time_and_leave_one_out_have_one_pair_an_effect() -> None:
    for kind in ("one-at-a-time", "leave-one-out"):
        cells, design = switches(3, x=("a",)).run(kind)
        assert [main(cells, place, 1, design).n_pairs for place in range(4)] == [1, 1, 1, 1]
        assert interaction(cells, (0, 1), (1, 1), design) == ({}, 0)


def test_without_a_design_pairs_are_looked_for() -> None:
    assert main([(0, 0), (1, 0), (1, 1)], 0, 1) == ({(1, 0): 1.0, (0, 0): -1.0}, 1)
    assert main([(0, 0), (1, 0), (1, 1)], 0, 1, {"kind": "list"}) == main([(0, 0), (1, 0), (1, 1)], 0, 1)
    assert interaction([(0, 0), (1, 0), (0, 1), (1, 1)], (0, 1), (1, 1)).weights == {
        (1, 1): 1.0, (1, 0): -1.0, (0, 1): -1.0, (0, 0): 1.0,
    }  # fmt: skip


def test_every_pair_counts_alike() -> None:
    world = Planted({(0, 1): 0.2, (1, 1): 0.1}, {frozenset({(0, 1), (1, 1)}): 0.4})
    found = main([(0, 0), (1, 0), (0, 1), (1, 1)], 0, 1)
    assert (world.estimate(found.weights), found.n_pairs) == (exactly(0.2 + 0.4 / 2), 2)
