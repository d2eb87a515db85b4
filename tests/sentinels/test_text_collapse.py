"""Text collapse: near is not collapsed, far apart shrinking to little is, and two classes with one text are one."""

import torch
from torch.nn import functional as F

from harness.protocol import Model
from harness.sentinels.text_collapse import TextCollapse
from sentinels.trained import alarms_of


def findings(*texts, told=None, temperature=0.01):
    """What is said after an epoch for each of these text features `[K, D]`."""
    sentinel = TextCollapse(TextCollapse.Settings(**(told or {})))
    found = []
    for text in texts:
        sentinel.on_step(_named(ctx=_named(out=_named(text=F.normalize(text, dim=-1)))))
        model = _named(settings=Model(temperature=temperature))
        found += sentinel.on_epoch(_named(learner=_named(model=model)))
    return found


def _named(**values):
    return type("Named", (), values)


def about(common):
    """Seven classes, of cosine about `common ** 2 / (1 + common ** 2)` to each other."""
    torch.manual_seed(0)
    return torch.cat([common * torch.ones(7, 1), torch.eye(7)], dim=1)


def test_classes_that_are_near_from_the_start_and_stay_so_are_healthy():
    assert not findings(about(5.0), about(5.5), about(6.0))


def test_classes_that_fall_together_are_named_by_how_far():
    assert [finding.severity for finding in findings(about(1.0), about(3.0))] == []
    assert [finding.severity for finding in findings(about(1.0), about(4.0))] == ["warning"]
    assert [finding.severity for finding in findings(about(1.0), about(9.0))] == ["error"]


def test_the_settings_move_both_bounds_and_how_near_is_one():
    assert findings(about(1.0), about(3.0), told={"shrunk": 0.5})[0].severity == "warning"
    assert findings(about(1.0), about(3.0), told={"collapsed": 0.5})[0].severity == "error"
    assert findings(about(5.0), told={"apart": 100.0})[0].about == "alike"


def test_two_classes_with_one_text_are_one():
    text = about(1.0)
    text[3] = text[5]
    (finding,) = findings(text)
    assert finding.evidence["pairs"] == [[3, 5]]
    assert finding.evidence["largest_logit_difference"] == 0, "of these two, not of all"


def test_healthy_training_keeps_the_classes_apart():
    assert not alarms_of("text-collapse", "prompt+ldl", epochs=4)
