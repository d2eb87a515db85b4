"""Inactive components: every way to be active counts, what is declared to wait may wait, what is off is named."""

import numpy as np
import pytest

from harness import plugins
from harness.methods.balanced import BalancedOrder
from harness.sentinels.inactive_component import InactiveComponent, _delay
from harness.settings import recording, unread
from sentinels.trained import alarms_of


@pytest.mark.parametrize("name", plugins.names("methods"))
@pytest.mark.parametrize("epochs", [1, 2])
def test_every_component_is_seen_to_act(name, epochs):
    method = "+".join(dict.fromkeys(["prompt", *plugins.get("methods", name).requires, name]))
    assert not alarms_of("inactive-component", method, epochs=epochs)


OFF = [
    "mixup(connected=false)",
    "focal(gamma=0)",
    "lsr(epsilon=0)",
    "logit-adjust(tau=0)",
    "blv(scale=0)",
    "adapter(ratio=0)",
    "moco(weight=0)",
    "prompt+mi(weight=0)",
    "prompt+dc(weight=0)",
]


@pytest.mark.parametrize("method", OFF)
def test_a_component_that_its_settings_turn_off_is_named(method):
    (alarm,) = alarms_of("inactive-component", method)
    assert alarm.evidence["component"] in method and alarm.epoch == 1


def test_a_declared_delay_is_waited_for():
    assert not alarms_of("inactive-component", "prompt+dc(delay=2)", epochs=3)
    assert not alarms_of("inactive-component", "prompt+dc(delay=3,ramp=2)", epochs=4)
    (alarm,) = alarms_of("inactive-component", "prompt+dc(delay=3)", epochs=3)
    assert "never acts" in alarm.message and alarm.severity == "warning"


def test_a_smoke_test_of_one_epoch_says_nothing_of_delays():
    assert not alarms_of("inactive-component", "prompt+dc(delay=3)+mi(delay=1)", epochs=1)


def test_a_term_that_is_off_behind_its_delay_is_named_when_it_is_over():
    (alarm,) = alarms_of("inactive-component", "prompt+dc(delay=1,weight=0)", epochs=4)
    assert alarm.epoch == 2


def test_micro_batches_show_what_a_component_does():
    assert not alarms_of("inactive-component", "prompt+mixup+ldl+balanced", accumulation=4)


@pytest.mark.parametrize(
    ("strength", "labels", "active"), [(1, [0, 0, 1], True), (0, [0, 0, 1], False), (0, [0, 1], True)]
)
def test_an_order_that_leaves_uneven_classes_as_they_are_is_none(strength, labels, active):
    sentinel = InactiveComponent(InactiveComponent.Settings())
    sentinel._labels = np.array(labels * 20)
    assert sentinel._orders(BalancedOrder(BalancedOrder.Settings(strength=strength))) is active


def test_watching_does_not_count_as_using_a_setting():
    cls = plugins.get("methods", "dc")
    part = cls(recording(cls.Settings(delay=3)))
    assert _delay(part) == 3
    assert unread(part.settings) == ["delay"]
