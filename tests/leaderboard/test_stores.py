"""One grid, trained by several machines into a store each."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import predicted
import pytest
from stored import files, plan_of, save_run

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
    assert "1 run stands in several stores with different results" in (tmp_path / "out" / "index.html").read_text()
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


def _details(out: Path, run_id: str) -> dict[str, Any]:
    """What the page holds of a run."""
    page = (out / "index.html").read_text()
    parts = {name: page.partition(f'id="data-{name}">')[2].partition("</script>")[0] for name in ("board", "details")}
    ids = [row[0] for row in json.loads(parts["board"])["rows"]]
    return json.loads(parts["details"].split("\n")[ids.index(run_id)])


@pytest.mark.parametrize("file", ["history.jsonl", "environment.json", "alarms.jsonl"])
def test_a_damaged_file_of_one_run_is_told_and_all_else_is_reported(whole: Path, tmp_path: Path, file: str) -> None:
    row, store = PLAN["runs"][0], part(whole, tmp_path / "runs", lambda row: True)
    (store.folder(row["dataset"], row["run_id"]) / file).write_text("{")
    out = report([store], "demo", tmp_path / "out").parent
    (word,) = _details(out, row["run_id"])["unread"]
    assert word.startswith(f"{file}: is not JSON") and str(tmp_path) not in word
    assert "unread" not in _details(out, PLAN["runs"][1]["run_id"])


def test_a_score_that_is_no_number_is_told_with_its_run(whole: Path, tmp_path: Path) -> None:
    row, store = PLAN["runs"][0], part(whole, tmp_path / "runs", lambda row: True)
    path = store.folder(row["dataset"], row["run_id"]) / "result.json"
    path.write_text(path.read_text().replace('"war": ', '"war": NaN, "was": '))
    (val, test) = _details(report([store], "demo", tmp_path / "out").parent, row["run_id"])["unread"]
    assert val.startswith("result.json: val war is nan") and test.startswith("result.json: test war is nan")


def test_a_confusion_table_of_no_counts_is_told(whole: Path, tmp_path: Path) -> None:
    row, store = PLAN["runs"][0], part(whole, tmp_path / "runs", lambda row: True)
    path = store.folder(row["dataset"], row["run_id"]) / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "confusion": {"test": [[float("nan"), 1], [0, 2]]}}))
    told = _details(report([store], "demo", tmp_path / "out").parent, row["run_id"])
    assert told["unread"] == ["result.json: its confusion table holds what is no count"] and "confusion" not in told


def test_a_report_that_can_not_be_written_replaces_nothing(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = report([part(whole, tmp_path / "a", lambda row: row["seed"] < 2)], "demo", tmp_path / "out").parent
    before = files(out)

    def refuse(*_: Any) -> Any:
        yield b"half of a page"
        raise BadInput("a run", "can't be read")

    monkeypatch.setattr("harness.leaderboard.page.document", refuse)
    with pytest.raises(BadInput):
        report([Store(whole)], "demo", out)
    assert files(out) == before


def test_levels_of_a_list_come_in_the_order_of_its_methods_and_of_all_runs_by_size(tmp_path: Path) -> None:
    texts = ["ldl(temperature=2.0)", "ldl(temperature=10.0)", "ldl(temperature=0.1)"]
    rows = [
        {"run_id": f"{place}", "dataset": "caer", "method": f"{text}+prompt", "seed": 0, "levels": {}}
        for place, text in enumerate(texts)
    ]
    for row in rows:
        save_run(tmp_path, row, 0.5)
    save_run(tmp_path, {**rows[0], "run_id": "without", "method": "prompt"}, 0.5)
    store = Store(tmp_path)
    store.write_plan("demo", {**PLAN, "factors": [], "runs": rows})
    (listed,) = load([store], "demo").factors
    assert list(listed.levels) == texts
    (everything,) = load([store], None).factors
    assert list(everything.levels) == ["", texts[2], texts[0], texts[1]]


def test_the_line_that_repeats_a_report_of_all_runs_names_a_store(whole: Path, tmp_path: Path) -> None:
    page = report([Store(whole)], None, tmp_path / "out").read_text()
    assert "harness report --runs /path/to/runs --out" in page


def test_a_column_tells_variants_of_the_settings_apart(tmp_path: Path) -> None:
    row = PLAN["runs"][0]
    for place, epochs in enumerate((5, 20)):
        save_run(tmp_path, {**row, "run_id": f"{place}"}, 0.5, {"train": {"epochs": epochs}})
    with (report([Store(tmp_path)], None, tmp_path / "out").parent / "results.csv").open(newline="") as file:
        told = {(found["run_id"], found["variant"]) for found in csv.DictReader(file)}
    assert told == {("0", "train.epochs=5"), ("1", "train.epochs=20")}


def test_copies_of_folds_are_told_fold_by_fold(tmp_path: Path) -> None:
    rows = [{**PLAN["runs"][0], "run_id": f"fold-{fold}", "fold": fold} for fold in ("1", "2")]
    for row in rows:
        save_run(tmp_path / "runs", row, 0.5, result={"manifest": f"copy-{row['fold']}"})
    store = Store(tmp_path / "runs")
    store.write_plan("demo", {**PLAN, "runs": rows})
    told = json.loads((report([store], "demo", tmp_path / "out").parent / "copies.json").read_text())
    assert told["caer"]["folds"] == {"1": ["copy-1"], "2": ["copy-2"]}
    assert told["caer"]["manifests"] == ["copy-1", "copy-2"]
