"""Loss and accuracy: what a low loss promises, and that it must be broken on both sides."""

import dataclasses

import numpy as np
import pytest
import torch

from harness.learner import Loss
from harness.methods import Batch, Context, Trace
from harness.sentinels import Epoch, Setup, Step
from harness.sentinels.loss_accuracy_gap import LossAccuracyGap, _tells_classes
from sentinels.trained import alarms_of


def findings(loss, right, *, clips=280, share=0.25, divergence=False, targets=None, told=None):
    """What is said of an epoch of four classes with this loss and so many clips right."""
    sentinel = LossAccuracyGap(LossAccuracyGap.Settings(**(told or {})))
    part = type("Part", (), {"divergence": "kl" if divergence else "ce"})
    learner = type("Learner", (), {"parts": [part]})
    list(sentinel.on_setup(dataclasses.replace(_empty(Setup), steps=1)))
    trace, target = Trace(), torch.eye(4)
    trace.batch = Batch(target, target, torch.arange(4), target)
    value = torch.tensor(loss)
    found = Loss(value, {"cls": (1.0, value)}, torch.zeros(4, 4), torch.eye(4) if targets is None else targets)
    sentinel.on_step(Step(Context(None), learner, found, trace))
    most = round(share * clips)
    rows = np.array([most, *3 * [(clips - most) // 3]])
    hits = np.clip(right - np.array([0, *rows.cumsum()[:-1]]), 0, rows)
    confusion = np.diag(hits) + np.roll(np.diag(rows - hits), 1, axis=1)
    return list(sentinel.on_epoch(dataclasses.replace(_empty(Epoch), confusion=confusion)))


def _empty(cls):
    return cls(**{field.name: None for field in dataclasses.fields(cls)})


def test_a_low_loss_at_chance_is_a_gap_and_each_alone_is_none():
    assert findings(0.05, 60)
    assert not findings(1.3, 60), "a high loss at chance: it has not learnt yet, and says so"
    assert not findings(0.05, 110, share=0.3), "above chance, beyond luck"
    assert findings(0.05, 110, share=0.4), "which is chance where one class is that common"


@pytest.mark.parametrize(("divergence", "loss"), [(False, 1.36), (True, 0.05)])
def test_the_floor_of_soft_targets_does_not_count(divergence, loss):
    targets = torch.full((4, 4), 0.2) + 0.2 * torch.eye(4)
    assert findings(loss, 60, divergence=divergence, targets=targets)
    assert not findings(loss + 0.6, 60, divergence=divergence, targets=targets)


def test_the_setting_moves_what_the_loss_must_promise():
    assert not findings(0.4, 60)
    assert findings(0.4, 60, told={"promise": 0.1})


def test_it_learns_or_it_does_not_on_a_real_run():
    assert not alarms_of("loss-accuracy-gap", "prompt+ldl", epochs=4)
    assert alarms_of("loss-accuracy-gap", "lsr(epsilon=1.0)", epochs=12, lr=0.01)


def test_several_epochs_in_a_row_make_an_error_of_it():
    severities = [found.severity for patience in (1, 2) for found in findings(0.05, 60, told={"patience": patience})]
    assert severities == ["error", "warning"]


def test_recalls_beyond_guessing_are_learning_even_where_a_common_class_hides_it():
    confusion = np.array([[60, 30, 30], [5, 30, 5], [3, 3, 14]])  # 58 % right where 67 % are of one class
    assert _tells_classes(confusion)
    assert not _tells_classes(np.array([[70, 30, 20], [23, 10, 7], [12, 5, 3]]))
    assert not _tells_classes(np.array([[120, 0, 0], [40, 0, 0], [20, 0, 0]])), "the common class for all"
