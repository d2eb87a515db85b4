"""Intervals cover and false alarms stay rare, by integration and on pretended experiments whose effects are known.

Fixed draws, and few: bounds leave four standard errors of the simulation. Fuller figures are in docs/statistics.md.
"""

from __future__ import annotations

import numpy as np
import pytest
from simulation import (
    PLANTED,
    SETS,
    WORLDS,
    covers,
    estimated,
    exact_alarms,
    exact_alarms_after_stein,
    family,
    interaction,
    main_effect,
    scored,
    stopped,
    trained,
    truth,
)

from harness.statistics import holm

SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.97)


def four_errors(share: float, draws: int) -> float:
    return 4 * float(np.sqrt(share * (1 - share) / draws))


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_intervals_of_normal_scores_cover_95_to_97_percent_whatever_the_clips_part(seeds):
    missed = [exact_alarms(seeds, share) for share in SHARES]
    assert missed[0] == pytest.approx(0.05, abs=1e-4)
    assert min(missed) > 0.0295 and max(missed) < 0.0505


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_p_values_as_small_as_corrected_ones_must_be_are_about_as_rare_as_they_say(seeds):
    assert max(exact_alarms(seeds, share, 0.05 / 16) for share in SHARES) < 1.2 * 0.05 / 16


def test_the_degrees_of_freedom_that_studies_of_readers_use_would_promise_too_much_at_three_seeds():
    assert max(exact_alarms(3, share, hillis=True) for share in SHARES) > 0.075
    assert max(exact_alarms(3, share, 0.05 / 16, hillis=True) for share in SHARES) > 6 * 0.05 / 16


@pytest.mark.parametrize("pilot", [3, 5, 10])
def test_intervals_after_steins_rule_cover_93_to_97_percent_whatever_the_clips_part(pilot):
    missed = [exact_alarms_after_stein(pilot, share) for share in (0.0, 0.2, 0.5, 0.8, 0.9)]
    assert min(missed) > 0.03 and max(missed) < 0.07


@pytest.mark.parametrize("metric", ["war", "uar"])
@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_intervals_of_pretended_runs_cover_93_to_97_percent(seeds, metric):
    rng, draws = np.random.default_rng(seeds), 200
    covered = {name: [] for name in WORLDS}
    by_seeds = {name: [] for name in WORLDS}
    for name, world in WORLDS.items():
        weights = main_effect(world, 0)
        true = truth(world, metric, weights)
        for _ in range(draws):
            values, influences = scored(world, trained(world, seeds, rng), metric)
            found = estimated(weights, values, influences)
            if found.low is not None:
                covered[name].append(covers(found, true))
                by_seeds[name].append(covers(estimated(weights, values, None), true))
    every = np.concatenate(list(covered.values()))
    assert 0.93 - four_errors(0.93, len(every)) < every.mean() < 0.97 + four_errors(0.97, len(every))
    assert min(map(np.mean, covered.values())) > 0.93 - four_errors(0.93, draws)
    assert np.mean(by_seeds["clips only"]) < 0.85  # what the clips' part is for


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_a_table_without_effects_raises_a_false_alarm_at_most_once_in_twenty(seeds):
    rng, draws = np.random.default_rng(seeds), 150
    tables = [[row.p for row in family(SETS, "war", seeds, rng)] for _ in range(draws)]
    alarms = [any(p is not None and p < 0.05 for p in holm(table)) for table in tables]
    uncorrected = [any(p is not None and p < 0.05 for p in table) for table in tables]
    assert np.mean(alarms) < 0.05 + four_errors(0.05, draws)
    assert np.mean(uncorrected) > 0.2  # what the correction is for


@pytest.mark.parametrize("metric", ["war", "uar"])
def test_planted_effects_and_interactions_are_recovered(metric):
    rng, draws, seeds = np.random.default_rng(0), 150, 5
    contrasts = [main_effect(PLANTED, factor) for factor in range(4)] + [interaction(PLANTED, 0, 1)]
    runs = [scored(PLANTED, trained(PLANTED, seeds, rng), metric) for _ in range(draws)]
    found_share = []
    for weights in contrasts:
        found, true = [estimated(weights, *run) for run in runs], truth(PLANTED, metric, weights)
        values = [one.effect for one in found]
        assert np.mean(values) == pytest.approx(true, abs=4 * np.std(values) / np.sqrt(draws))
        found_share.append(np.mean([one.p is not None and one.p < 0.05 and one.effect * true > 0 for one in found]))
    assert found_share[0] > 0.9 and found_share[3] > 0.9 and found_share[4] > 0.9
    assert found_share[2] < 0.05 + four_errors(0.05, draws)


@pytest.mark.parametrize("pilot", [3, 5])
def test_intervals_of_pretended_runs_that_were_added_by_steins_rule_cover(pilot):
    rng, draws, world, width = np.random.default_rng(pilot), 250, WORLDS["seeds and clips alike"], 0.25
    true = truth(world, "war", main_effect(world, 0))
    found = [stopped(world, "war", pilot, width, 30, rng) for _ in range(draws)]
    known = [covers(one, true) for one in found if one.low is not None]
    assert len({one.n_seeds for one in found}) > 3  # the rule does choose
    assert 0.93 - four_errors(0.93, draws) < np.mean(known)
