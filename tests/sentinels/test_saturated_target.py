"""Saturated targets: the least that must be moved, and who is not judged."""

import pytest

from harness import plugins
from harness.methods import Component
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


def test_a_component_from_outside_may_leave_the_targets_alone_while_it_waits(monkeypatch):
    class Later(Component):
        name = "later"
        first = 2

        def waits(self, epoch):
            return epoch < self.first

        def kernel(self, targets, ctx):
            share = 0.1 * (ctx.epoch >= 2)
            return (1 - share) * targets + share / len(targets)

    monkeypatch.setitem(plugins._from_files["methods"], "later", Later)
    assert not alarms_of("saturated-target", "later", epochs=3)
    monkeypatch.setattr(Later, "first", 0)
    assert alarms_of("saturated-target", "later", epochs=3)
