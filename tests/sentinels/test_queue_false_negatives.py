"""False negatives: how many own-class keys are few and many, and how much of a queue one class may fill."""

import pytest
import torch

from harness.methods.moco import MocoRank
from sentinels.trained import alarms_of, severities

UNMASKED = "prompt+moco(mask_same_class=false,queue={})"


@pytest.mark.parametrize("method", ["prompt+moco", "prompt+moco(queue=16)+balanced+mixup", "prompt+moco(queue=1)"])
def test_masked_queues_are_healthy(method):
    assert not alarms_of("queue-false-negatives", method, epochs=3)


def test_few_own_class_keys_are_a_warning_and_many_an_error():
    assert severities(alarms_of("queue-false-negatives", UNMASKED.format(1))) == set()
    assert severities(alarms_of("queue-false-negatives", UNMASKED.format(9))) == {"warning"}
    assert "error" in severities(alarms_of("queue-false-negatives", UNMASKED.format(60), epochs=3))


def test_the_settings_move_both_bounds():
    assert not alarms_of("queue-false-negatives", UNMASKED.format(9), {"few": 20.0})
    assert severities(alarms_of("queue-false-negatives", UNMASKED.format(9), {"many": 2.0})) == {"error"}


@pytest.mark.parametrize(("share", "named"), [(0.4, False), (1.0, True)])
def test_a_class_may_fill_what_it_has_of_the_clips(monkeypatch, share, named):
    push = MocoRank._push

    def skewed(self, keys, labels):
        push(self, keys, labels.masked_fill(torch.arange(len(labels)) < share * len(labels), 0))

    monkeypatch.setattr(MocoRank, "_push", skewed)
    assert bool(alarms_of("queue-false-negatives", "prompt+moco")) is named
