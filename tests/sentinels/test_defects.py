"""Each sentinel names the defects planted for it, in a real run, within its first two epochs."""

import pytest

from harness import plugins
from sentinels.lab import alarms_of, every_defect


@pytest.mark.parametrize("defect", every_defect(), ids=lambda defect: f"{defect.sentinel}: {defect.what}")
def test_a_planted_defect_is_named_within_two_epochs(defect, tmp_path):
    alarms = alarms_of(defect, tmp_path)
    named = [alarm for alarm in alarms if alarm["sentinel"] == defect.sentinel]
    assert named, f"only these fired: {[alarm['sentinel'] for alarm in alarms]}"
    assert all(alarm["epoch"] is None or alarm["epoch"] < 2 for alarm in named)
    assert all(alarm["message"] and alarm["mend"] and alarm["evidence"] for alarm in named)


def test_every_sentinel_has_a_planted_defect():
    assert {defect.sentinel for defect in every_defect()} == set(plugins.names("sentinels"))
