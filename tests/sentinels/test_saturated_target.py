"""Saturated targets: the least that must be moved, and who is not judged."""

import pytest

from sentinels.trained import alarms_of


@pytest.mark.parametrize("method", ["lsr(epsilon=0.01)", "prompt+ldl(temperature=0.05)+warmup", "prompt", "mixup"])
def test_components_that_soften_and_those_without_a_target_are_healthy(method):
    assert not alarms_of("saturated-target", method)


@pytest.mark.parametrize("method", ["warmup(epochs=1)+ldl(temperature=0.05)", "warmup(epochs=0)+ldl(temperature=0.05)"])
def test_a_warm_up_leaves_the_targets_alone_by_design(method):
    assert not alarms_of("saturated-target", method, epochs=3)


def test_one_that_softens_nothing_is_named_also_behind_one_that_does():
    (alarm,) = alarms_of("saturated-target", "ldl(temperature=0.05)+lsr(epsilon=0)")
    assert alarm.evidence["component"] == "lsr"


def test_the_setting_moves_the_bound():
    assert alarms_of("saturated-target", "lsr(epsilon=0.01)", {"least": 0.1})
