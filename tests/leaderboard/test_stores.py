"""One grid, trained by several machines into a store each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import predicted
import pytest
from test_leaderboard import files, plan_of, save_run

from harness.errors import BadInput
from harness.leaderboard import report
from harness.leaderboard.results import load
from harness.store import Store

PLAN = plan_of(["caer", "raer"], [0, 1, 2])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    predicted.store(root, PLAN)
    return root


def part(whole: Path, root: Path, having: Any, plan: dict[str, Any] = PLAN) -> Store:
    """The store of a machine that has only some of the runs."""
    for row in plan["runs"]:
        if having(row):
            shutil.copytree(whole / row["dataset"] / row["run_id"], root / row["dataset"] / row["run_id"])
    store = Store(root)
    store.write_plan("demo", plan)
    return store


def test_stores_that_share_a_grid_give_the_leaderboard_of_one(whole: Path, tmp_path: Path) -> None:
    even = part(whole, tmp_path / "a", lambda row: row["seed"] % 2 == 0)
    odd = part(whole, tmp_path / "b", lambda row: row["seed"] % 2)
    wanted = files(report([Store(whole)], "demo", tmp_path / "one").parent)
    assert files(report([even, odd], "demo", tmp_path / "two").parent) == wanted
    assert files(report([odd, even, odd], "demo", tmp_path / "three").parent) == wanted


def test_plans_of_other_seeds_and_data_sets_are_united(whole: Path, tmp_path: Path) -> None:
    def planned(*seeds: int) -> dict[str, Any]:
        return {**PLAN, "runs": [row for row in PLAN["runs"] if row["seed"] in seeds]}

    first = part(whole, tmp_path / "a", lambda row: True, planned(0, 1))
    second = part(whole, tmp_path / "b", lambda row: True, planned(2))
    board = load([first, second], "demo")
    assert len(board.done) == len(board.runs) == len(PLAN["runs"]) and board.seeds == (0, 1, 2)
    without = Store(tmp_path / "b")
    (without.root / "plans" / "demo.json").unlink()  # its runs count all the same
    assert len(load([first, without], "demo").done) == 24


def test_a_run_is_taken_from_where_it_is_done(whole: Path, tmp_path: Path) -> None:
    row = PLAN["runs"][0]
    failed, done = tmp_path / "failed", part(whole, tmp_path / "done", lambda row: True)
    error = {"type": "OSError", "message": "no room"}
    save_run(failed, row, 0.0, result={"status": "failed", "error": error, "metrics": {}})
    (run,) = [run for run in load([Store(failed), done], "demo").runs if run.run_id == row["run_id"]]
    assert run.done and run.folder == done.folder(row["dataset"], row["run_id"])


def test_results_that_differ_are_told_and_the_first_store_counts(whole: Path, tmp_path: Path) -> None:
    row, same = PLAN["runs"][0], part(whole, tmp_path / "same", lambda row: True)
    other = part(whole, tmp_path / "other", lambda row: True)
    path = other.folder(row["dataset"], row["run_id"]) / "result.json"
    result = json.loads(path.read_text())
    result["metrics"]["test"]["war"] = 0.123
    path.write_text(json.dumps(result))
    board = load([same, other], "demo")
    assert board.disputed == (row["run_id"],)
    assert load([same, Store(whole)], "demo").disputed == ()
    pages = [report(stores, "demo", tmp_path / "out") for stores in ([same, other], [other, same])]
    assert f"**The results of {row['run_id']} differ between stores:**" in pages[0].read_text()
    scores = [run.score("test", "war") for run in load([other, same], "demo").runs if run.run_id == row["run_id"]]
    assert scores == [0.123]


def test_stores_without_a_plan_show_all_their_runs(whole: Path, tmp_path: Path) -> None:
    even = part(whole, tmp_path / "a", lambda row: row["seed"] % 2 == 0)
    odd = part(whole, tmp_path / "b", lambda row: row["seed"] % 2)
    assert len(load([even, odd], None).done) == len(PLAN["runs"])


def test_plans_of_other_grids_are_not_mixed(whole: Path, tmp_path: Path) -> None:
    first = part(whole, tmp_path / "a", lambda row: True)
    other = plan_of(["caer"], [0], {"moco": ["", "moco"]})
    second = part(whole, tmp_path / "b", lambda row: False, other)
    with pytest.raises(BadInput, match="has other factors"):
        load([first, second], "demo")
    with pytest.raises(BadInput, match="never planned"):
        load([Store(tmp_path / "c"), Store(tmp_path / "d")], "demo")
