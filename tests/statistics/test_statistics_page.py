"""docs/statistics.md says what docs/calibration.py would write now, as far as that takes no simulation."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def written() -> str:
    return (DOCS / "statistics.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def maker() -> dict:
    return runpy.run_path(str(DOCS / "calibration.py"), run_name="maker")


@pytest.mark.parametrize("part", ["READING", "OTHERS", "LIMITS"])
def test_its_text_is_that_of_its_maker(part, written, maker):
    assert maker[part] in written


@pytest.mark.parametrize("part", ["by_integration", "detectable_effects"])
def test_what_is_worked_out_is_what_the_code_gives_now(part, written, maker):
    assert maker[part]() in written


def test_every_simulated_part_is_there(written):
    parts = [
        "### on pretended runs",
        "## False alarms",
        "## Planted effects",
        "## Seeds until",
        "## Influences of clips",
    ]
    assert all(written.count(f"\n{part}") == 1 for part in parts)
