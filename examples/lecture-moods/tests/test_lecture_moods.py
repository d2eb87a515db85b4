"""Lecture Moods is read as its raters say, and keeps the contract of adapters."""

from pathlib import Path

import pytest
from lecture_moods import LectureMoods

from harness import conformance


@pytest.mark.parametrize(("rater", "label"), [("first", 0), ("second", 2), ("both", None)])
def test_a_clip_on_which_raters_disagree_has_the_label_of_the_chosen_one(
    rater: str, label: int | None, tmp_path: Path
) -> None:
    LectureMoods.sample(tmp_path)
    adapter = LectureMoods(LectureMoods.Settings(root=str(tmp_path), rater=rater), tmp_path)
    found = {clip.id: clip for clip in adapter.clips()}
    assert (found["p01/0003"].label if label is not None else found.get("p01/0003")) == label
    assert found["p01/0001"].face == {"": (8, 6, 40, 38)} and found["p01/0001"].subject == "p01"


def test_it_keeps_the_contract() -> None:
    report = conformance.check("lecture-moods")
    assert report.passed, report.text()
