"""Inactive components: every way to be active counts, what is declared to wait may wait, what is off is named."""

import numpy as np
import pytest
from conftest import small_learner
from torch import nn
from torch.nn import functional as F

from harness import plugins
from harness.methods import Component
from harness.sentinels._groups import asked
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


def test_watching_does_not_count_as_using_a_setting():
    cls = plugins.get("methods", "dc")
    part = cls(recording(cls.Settings(delay=3)))
    assert [part.waits(epoch) for epoch in (2, 3)] == [True, False]
    assert unread(part.settings) == ["delay"]

    learner = small_learner("prompt(lr=0.5)")
    assert [(name, rate) for name, rate, _ in asked(learner)] == [("prompt", 0.5)]
    assert unread(learner.components["prompt"].settings) == ["lr"]


# ── components from outside ─────────────────────────────────────────────────────────────────────────────────────


class Outside(Component):
    """What any of these has in common: a name, and a network of three classes to act on."""

    name = "outside"


class AdapterInTheHeadsGroup(Outside):
    def extend(self, model):
        model.head.adapt["face"] = nn.Linear(model.width, model.width)


class AdapterThatIsNotCalled(Outside):
    def extend(self, model):
        model.head.spare = nn.Linear(model.width, model.width)


class OtherActivation(Outside):
    def extend(self, model):
        model.head.face.layers.layers[0].activation = F.relu


class OtherStart(Outside):
    def extend(self, model):
        nn.init.orthogonal_(model.head.fuse.weight)


class FrozenExpert(Outside):
    def extend(self, model):
        model.head.adapt["face"] = nn.Linear(model.width, model.width).requires_grad_(False)


class WeightAverage(Outside):
    def after_step(self, ctx):
        for parameter in ctx.model.head.parameters():
            parameter.mul_(0.999)


class Queues(Outside):
    """Follows steps for a term that has no weight."""

    def loss(self, out, batch, ctx):
        return {"queued": (0.0, out.logits.mean())}

    def after_step(self, ctx): ...


class EasyFirst(Outside):
    def sampler(self, label, rng):
        return np.argsort(label, kind="stable")


class NoOrder(Outside):
    def sampler(self, label, rng):
        return None


class ExtendsNothing(Outside):
    def extend(self, model):
        list(model.parameters())


ACTIVE = (AdapterInTheHeadsGroup, OtherActivation, OtherStart, FrozenExpert, WeightAverage, EasyFirst)
IDLE = (AdapterThatIsNotCalled, Queues, NoOrder, ExtendsNothing)


@pytest.mark.parametrize("cls", [*ACTIVE, *IDLE])
def test_a_component_from_outside_is_active_in_whatever_way_it_acts(cls, monkeypatch):
    monkeypatch.setitem(plugins._from_files["methods"], "outside", cls)
    alarms = alarms_of("inactive-component", "prompt+outside")
    assert [alarm.evidence["component"] for alarm in alarms] == ["outside"] * (cls in IDLE)


def test_a_component_from_outside_may_wait_by_a_rule_of_its_own(monkeypatch):
    class Later(Outside):
        def waits(self, epoch):
            return epoch < 2

        def on_logits(self, logits, batch, ctx):
            return logits if self.waits(ctx.epoch) else logits * 2

    monkeypatch.setitem(plugins._from_files["methods"], "outside", Later)
    assert not alarms_of("inactive-component", "outside", epochs=3)
    monkeypatch.setattr(Later, "on_logits", lambda self, logits, batch, ctx: logits)
    (alarm,) = alarms_of("inactive-component", "outside", epochs=5)
    assert alarm.epoch == 3
