"""Flat targets: where an error begins, what each setting moves, and whom it blames."""

import pytest

from sentinels.trained import alarms_of, severities


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("lsr(epsilon=0.05)", set()),
        ("lsr(epsilon=0.6)", set()),
        ("lsr(epsilon=0.8)", {"warning"}),
        ("lsr(epsilon=0.97)", {"error"}),
        ("prompt+ldl(temperature=0.02)", set()),
        ("prompt+mixup", set()),
    ],
)
def test_smoothing_is_healthy_until_little_of_the_label_is_left(method, expected):
    assert severities(alarms_of("flat-target", method)) == expected


def test_the_settings_move_both_bounds():
    assert severities(alarms_of("flat-target", "lsr(epsilon=0.6)", {"dim": 0.5})) == {"warning"}
    assert severities(alarms_of("flat-target", "lsr(epsilon=0.6)", {"flat": 0.5})) == {"error"}


def test_the_component_that_flattens_is_blamed_and_not_those_behind_it():
    (alarm,) = alarms_of("flat-target", "prompt+ldl(temperature=1.0)+lsr+warmup(epochs=0)")
    assert alarm.evidence["component"] == "ldl"


def test_micro_batches_are_judged_as_whole_batches():
    assert severities(alarms_of("flat-target", "lsr(epsilon=0.97)", accumulation=4)) == {"error"}
