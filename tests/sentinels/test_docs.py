"""docs/sentinels.md says what the code says, and its table of failures leaves none out."""

import importlib.util
import re
from pathlib import Path

import pytest

from harness import plugins

HOME = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("sentinel_page", HOME / "docs/sentinels.py")
page = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(page)


def test_the_page_is_up_to_date_with_the_code():
    written = (HOME / "docs/sentinels.md").read_text(encoding="utf-8")
    assert written.partition(page.MEASURED)[0].rstrip() == page.static().rstrip(), "run docs/sentinels.py --static"


def test_every_sentinel_has_a_section_that_its_alarms_lead_to():
    headings = re.findall("^## (.+)$", (HOME / "docs/sentinels.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(plugins.names("sentinels")) <= set(headings)
    assert set(page.TO_DO) == set(plugins.names("sentinels"))


def test_each_of_the_thirty_two_failures_is_answered():
    assert list(page.FAILURES) == list(range(1, 33))
    for number, failure in page.FAILURES.items():
        assert page.sentinels_of(number) or "can't happen" in failure["here"], number
        assert failure["tests"], number


@pytest.mark.parametrize("test", sorted({page.PLANTED, *(t for f in page.FAILURES.values() for t in f["tests"])}))
def test_the_tests_that_it_names_exist(test):
    file, _, name = test.partition("::")
    assert f"def {name}(" in (HOME / "tests" / file).read_text(encoding="utf-8")


def test_every_planted_defect_stands_in_what_was_measured():
    from sentinels.lab import every_defect

    measured = (HOME / "docs/sentinels.md").read_text(encoding="utf-8").partition(page.MEASURED)[2]
    assert all(f"| {defect.what} " in measured for defect in every_defect())
