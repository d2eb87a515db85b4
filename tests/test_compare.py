"""`harness compare`: whether two runs or leaderboards speak of the same data, and what differs."""

from __future__ import annotations

import pytest
from test_leaderboard import plan_of, save_run, store_of

from harness.compare import compare, text
from harness.errors import BadInput
from harness.leaderboard import report
from harness.store import Store


def board(folder, manifest, score=0.5):
    plan = plan_of(["caer"], [0, 1])
    store_of(folder / "runs", plan)
    for row in plan["runs"]:
        save_run(folder / "runs", row, score, result={"manifest": manifest})
    return report(Store(folder / "runs"), "demo", folder / "out").parent


def test_leaderboards_of_different_copies_say_so_and_give_no_difference(tmp_path):
    one, other = board(tmp_path / "a", "aaaa"), board(tmp_path / "b", "bbbb", 0.6)
    found = compare(str(one), str(other), Store(tmp_path / "a/runs"))
    page = text(found)
    assert "DIFFERENT COPIES (manifest aaaa against bbbb)" in page
    assert "harness data diff" in page
    assert not any(row["same_data"] for row in found["scores"])
    assert "+10.0" not in page


def test_leaderboards_of_the_same_copy_are_compared(tmp_path):
    one, other = board(tmp_path / "a", "aaaa"), board(tmp_path / "b", "aaaa", 0.6)
    page = text(compare(str(one), str(other), Store(tmp_path / "a/runs")))
    assert "the same copy (manifest aaaa)" in page
    assert "+10.0" in page


def test_two_runs_show_where_settings_and_scores_differ(tmp_path):
    plan = plan_of(["caer"], [0])
    store = store_of(tmp_path, plan)
    first, second = plan["runs"][:2]
    save_run(tmp_path, first, 0.5, {"train": {"lr": 0.1}}, {"manifest": "aaaa"})
    save_run(tmp_path, second, 0.75, {"train": {"lr": 0.2}}, {"manifest": "aaaa"})
    found = compare(first["run_id"], second["run_id"], store)
    assert found["settings"]["train.lr"] == ["0.1", "0.2"]
    assert found["copies"] == {"caer": [["aaaa"], ["aaaa"]]}
    assert "+25.0" in text(found)


def test_a_run_is_not_compared_with_a_leaderboard(tmp_path):
    out = board(tmp_path, "aaaa")
    run = plan_of(["caer"], [0])["runs"][0]["run_id"]
    with pytest.raises(BadInput, match="two of a kind"):
        compare(str(out), run, Store(tmp_path / "runs"))
