"""docs/reliability.md is what the tests of this folder say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from faults import every_fault

HOME = Path(__file__).parents[2]


def test_the_page_is_what_the_tests_say():
    spec = importlib.util.spec_from_file_location("reliability_page", HOME / "docs/reliability.py")
    assert spec and spec.loader
    reliability = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reliability)
    assert reliability.PAGE.read_text(encoding="utf-8") == reliability.page(), "run `make reliability`"


def test_every_row_is_shown_by_a_test_of_its_own_and_there_are_many():
    faults = every_fault()
    assert len(faults) >= 25
    assert len({row.test for row in faults}) == len({row.happens for row in faults}) == len(faults)
