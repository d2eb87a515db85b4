"""Moving targets: attached is told from held still, and what drift is allowed."""

from sentinels.trained import alarms_of, severities


def test_a_target_held_still_is_healthy():
    assert not alarms_of("moving-target", "prompt+ldl+mixup+warmup(epochs=1)", epochs=4)


def test_only_the_component_that_is_attached_is_blamed():
    (alarm,) = alarms_of("moving-target", "prompt+ldl(temperature=0.5,detach=false)+lsr+warmup(epochs=0)", epochs=1)
    assert alarm.evidence["component"] == "ldl"


def test_without_learned_prompts_there_is_nothing_to_be_attached_to():
    assert not alarms_of("moving-target", "ldl(detach=false)")


def test_the_setting_moves_the_bound_of_the_drift():
    found = alarms_of("moving-target", "prompt(lr=0.05)+ldl(temperature=0.1)", {"drift": 1e-4})
    assert severities(found) == {"warning"}
