"""Queues that go stale: healthy ones of any size are quiet, whatever fills them is checked to the key."""

import pytest
import torch

from harness import plugins
from harness.methods import Component
from harness.methods.moco import MocoRank
from sentinels.trained import alarms_of


@pytest.mark.parametrize("size", [1, 5, 8, 23, 4096])
@pytest.mark.parametrize("accumulation", [1, 3])
def test_a_queue_of_any_size_is_healthy(size, accumulation):
    assert not alarms_of("queue-stale", f"prompt+moco(queue={size})", epochs=3, accumulation=accumulation)


@pytest.mark.parametrize("features", ["text", "video"])
def test_queues_of_videos_and_of_texts_are_healthy(features):
    assert not alarms_of("queue-stale", f"prompt+adapter+moco(queue_of={features},positive=video)")


def test_a_key_that_is_lost_once_is_named(monkeypatch):
    push, calls = MocoRank._push, []

    def losing(self, keys, labels):
        calls.append(1)
        push(self, keys[len(calls) == 2 :], labels[len(calls) == 2 :])

    monkeypatch.setattr(MocoRank, "_push", losing)
    (alarm,) = alarms_of("queue-stale", "prompt+moco", epochs=1)
    assert alarm.evidence["next"] == alarm.evidence["clips"] - 1


def test_a_queue_of_a_component_from_outside_is_found_by_its_buffers(monkeypatch):
    class Remembers(Component):
        """Keeps one key a class and step, and forgets to move on."""

        name = "remembers"

        def extend(self, model):
            self.register_buffer("queue", torch.zeros(9, 4))
            self.register_buffer("labels", torch.full((9,), -1))
            self.register_buffer("next", torch.zeros((), dtype=torch.long))
            self.move = True

        def after_step(self, ctx):
            places = (self.next + torch.arange(3)) % 9
            self.labels[places] = torch.arange(3)
            if self.move:
                self.next.copy_((self.next + 3) % 9)

    monkeypatch.setitem(plugins._from_files["methods"], "remembers", Remembers)
    assert not alarms_of("queue-stale", "remembers")
    monkeypatch.setattr(Remembers, "move", property(lambda self: False, lambda self, value: None), raising=False)
    (alarm,) = alarms_of("queue-stale", "remembers")
    assert alarm.evidence["component"] == "remembers"


def test_of_two_queues_that_are_wrong_both_are_named(monkeypatch):
    class Still(Component):
        """Keeps no key."""

        name = "still"

        def extend(self, model):
            self.register_buffer("queue", torch.zeros(9, 4))
            self.register_buffer("labels", torch.full((9,), -1))
            self.register_buffer("next", torch.zeros((), dtype=torch.long))

        def after_step(self, ctx):
            pass

    Other = type("Other", (Still,), {"name": "other", "__doc__": Still.__doc__})
    for cls in (Still, Other):
        monkeypatch.setitem(plugins._from_files["methods"], cls.name, cls)
    found = alarms_of("queue-stale", "still+other")
    assert sorted(alarm.evidence["component"] for alarm in found) == ["other", "still"]


@pytest.mark.parametrize("delay", [1, 2, 5])
@pytest.mark.parametrize("size", [9, 4096])
def test_a_queue_may_be_left_empty_while_its_component_waits(delay, size, monkeypatch):
    follow, calls = MocoRank.after_step, []

    def later(self, ctx):
        calls.append(ctx.epoch)
        self._keys = self._keys if ctx.epoch >= delay else []
        if ctx.epoch >= delay:
            follow(self, ctx)

    method = f"prompt+moco(delay={delay},queue={size})"
    assert not alarms_of("queue-stale", method, epochs=8), "filled from the start"
    monkeypatch.setattr(MocoRank, "after_step", later)
    assert not alarms_of("queue-stale", method, epochs=8) and max(calls) == 7
    delay += 8
    found = {alarm.evidence["component"]: alarm.epoch for alarm in alarms_of("queue-stale", method, epochs=8)}
    assert found == {"moco": delay - 8}, "and no longer"


def test_a_copy_without_momentum_follows_and_one_that_never_moves_does_not():
    assert not alarms_of("queue-stale", "prompt+moco(momentum=0.0)")
    (alarm,) = alarms_of("queue-stale", "prompt+moco(momentum=1.0)")
    assert "stands still" in alarm.message
