"""Leaderboards from synthetic stores: plain files on disk, read the way a user's runs are read."""

from __future__ import annotations

import csv
import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stored import PLANTED, files, plan_of, planted_score, save_run, store_of, write

from harness.errors import BadInput
from harness.leaderboard import report, sheets
from harness.leaderboard.markdown import escape, spread, without_folders
from harness.store import Store
from harness.store.wording import points


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def board(tmp_path_factory) -> Path:
    """The leaderboard of three data sets, three seeds and six methods, with planted effects."""
    root = tmp_path_factory.mktemp("board")
    store = store_of(root / "runs", plan_of(["caer", "daisee", "raer"], [0, 1, 2]))
    return report([store], "demo", root / "out").parent


def effects(out: Path, metric: str = "war") -> dict[tuple[str, str], dict[str, str]]:
    rows = table(out / "ablation.csv")
    return {(row["dataset"], row["factor"]): row for row in rows if row["metric"] == metric}


def test_the_same_runs_give_the_same_bytes_in_whatever_order_they_were_made(tmp_path):
    plan = plan_of(["caer", "daisee"], [0, 1])
    first = report([store_of(tmp_path / "a", plan, order=1)], "demo", tmp_path / "out-a").parent
    again = report([store_of(tmp_path / "elsewhere" / "b", plan, order=2)], "demo", tmp_path / "out-b").parent
    assert files(first) == files(again)
    tables = {"README.md", "results.csv", "ablation.csv", "ablation.tex", "copies.json", "index.html"}
    assert set(files(first)) == tables | {f"figures/{name}.svg" for name in ("effects", "interactions", "ranks")}


def test_reading_runs_imports_no_training_library():
    heavy = ["torch", "accelerate", "open_clip", "torchvision", "datasets"]
    code = f"""import sys, harness.leaderboard, harness.store.show, harness.leaderboard.figures
assert not set({heavy}) & set(sys.modules), set({heavy}) & set(sys.modules)"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_a_planted_effect_is_recovered_in_sign_size_and_word(board):
    found = effects(board)
    for dataset in ("caer", "daisee", "raer", "all"):
        for factor, truth in PLANTED.items():
            row = found[dataset, factor]
            assert float(row["effect"]) == pytest.approx(truth, abs=0.004)
            assert float(row["ci_low"]) <= float(row["effect"]) <= float(row["ci_high"])
    page = (board / "README.md").read_text()
    moco = next(line for line in page.splitlines() if line.startswith("| moco") and "hurts" in line)
    assert "−4." in moco or "−3.9" in moco
    assert any(line.startswith("| warmup") and "can't tell" in line for line in page.splitlines())


def test_a_nested_factor_pairs_only_where_it_exists(board):
    found = effects(board)
    assert found["caer", "warmup"]["n_pairs"] == "6"  # ldl on × moco off/on × three seeds
    assert found["caer", "ldl"]["n_pairs"] == "6"  # warm-up off × moco off/on × three seeds
    assert found["caer", "moco"]["n_pairs"] == "9"
    assert found["all", "moco"]["n_pairs"] == "27"


def test_corrected_p_values_belong_to_the_rows_of_one_metric(board):
    rows = [row for row in effects(board).values() if row["kind"] == "factor"]
    assert len(rows) == 4 * len(PLANTED)
    assert all(float(row["p"]) <= float(row["p_holm"]) <= 1 for row in rows)


def test_results_are_tidy_and_lead_to_the_runs(board):
    rows = table(board / "results.csv")
    assert list(rows[0]) == [
        *("run_id", "dataset", "method", "ldl", "warmup", "moco", "seed", "split", "metric", "value")
    ]
    assert len(rows) == 6 * 3 * 3 * 2 * 4
    assert {row["split"] for row in rows} == {"val", "test"}
    assert {row["ldl"] for row in rows if "lsr" in row["method"]} == {"0"}


def test_a_level_of_several_is_compared_with_the_first(tmp_path):
    factors = {"ldl": ["", "ldl(temperature=0.1)", "ldl(temperature=1)"]}
    store = store_of(tmp_path / "runs", plan_of(["caer"], [0, 1], factors))
    out = report([store], "demo", tmp_path / "out").parent
    assert {factor for _, factor in effects(out)} == {"ldl=ldl(temperature=0.1)", "ldl=ldl(temperature=1)"}
    assert "ldl(temperature=1)" in (out / "README.md").read_text()


def test_one_seed_gives_an_effect_without_interval_or_p(tmp_path):
    store = store_of(tmp_path / "runs", plan_of(["caer"], [0]))
    out = report([store], "demo", tmp_path / "out").parent
    for row in effects(out).values():
        assert row["effect"] and not any(row[key] for key in ("ci_low", "ci_high", "p", "p_holm"))
    page = (out / "README.md").read_text()
    assert "can't tell" in page and "helps |" not in page


def test_missing_failed_and_dropped_runs_are_named(tmp_path):
    plan = plan_of(["caer"], [0, 1])
    store = store_of(tmp_path / "runs", plan)
    gone, broken = plan["runs"][0], plan["runs"][1]
    (tmp_path / "runs" / "caer" / gone["run_id"] / "result.json").unlink()
    message = "can't read /home/somebody/clips/0001.avi\nsecond line"
    error = {"type": "OSError", "message": message, "traceback": "…"}
    save_run(tmp_path / "runs", broken, 0.0, result={"status": "failed", "error": error, "metrics": {}})
    page = report([store], "demo", tmp_path / "out").read_text()
    assert "10 of 12 runs are done" in page
    baseline = next(line for line in page.splitlines() if "baseline |" in line)
    assert "–" in baseline and "0 of 2" in baseline
    assert "1 run not finished yet" in page
    assert "OSError: can't read …/0001.avi" in page and "second line" not in page
    assert "warmup needs ldl" in page
    assert "/home/" not in page


def test_a_fault_of_many_runs_is_told_once(tmp_path):
    plan = plan_of(["caer"], list(range(40)), {"ldl": ["", "ldl"]})
    store = store_of(tmp_path / "runs", plan)
    for place, row in enumerate(plan["runs"][2:]):
        message = "no room" if place < 20 else f"can't read clip {place}"
        error = {"type": "OSError", "message": message}
        save_run(tmp_path / "runs", row, 0.0, result={"status": "failed", "error": error, "metrics": {}})
    page = report([store], "demo", tmp_path / "out").read_text()
    assert "78 runs failed" in page
    (line,) = [line for line in page.splitlines() if "OSError: no room" in line]
    assert line.split("|")[2].strip() == "20" and plan["runs"][2]["run_id"] in line and "…" in line
    assert page.count("OSError: can't read clip") == 49 and "9 runs more failed" in page


def test_a_long_table_is_written_as_a_short_one(tmp_path, monkeypatch):
    store = store_of(tmp_path / "runs", plan_of(["caer"], [0, 1]))
    whole = files(report([store], "demo", tmp_path / "whole").parent)
    monkeypatch.setattr(sheets, "CHUNK", 7)
    assert files(report([store], "demo", tmp_path / "pieces").parent) == whole


def test_miniatures_are_marked_wherever_their_numbers_stand(tmp_path):
    plan = {**plan_of(["caer", "daisee"], [0]), "miniatures": ["caer"]}
    page = report([store_of(tmp_path / "runs", plan)], "demo", tmp_path / "out").read_text()
    assert "**Rendered miniatures: caer.**" in page
    assert "### caer (miniature)" in page and "### daisee\n" in page
    assert "say nothing about the real caer" in page
    assert "all (with miniatures)" in page


def test_oracle_selection_is_marked_in_every_table(tmp_path):
    plan = plan_of(["caer"], [0])
    store = store_of(tmp_path / "runs", plan)
    for row in plan["runs"]:
        save_run(tmp_path / "runs", row, planted_score(row), result={"selection": "oracle"})
    page = report([store], "demo", tmp_path / "out").read_text()
    assert "### caer (oracle: epoch chosen on test)" in page
    assert "every score is too high" in page
    assert page.count("caer (oracle: epoch chosen on test)") == 4  # the answer, scores, effects on WAR and on UAR


def test_text_from_runs_cannot_break_a_table(tmp_path):
    plan = plan_of(["caer"], [0, 1], {"odd": ["", "odd(stages=1|2)"]})
    plan["dropped"] = [{"method": "a*b*c", "why": "needs <script> & a|b\nand more"}]
    page = report([store_of(tmp_path / "runs", plan)], "demo", tmp_path / "out").read_text()
    assert r"odd(stages=1\|2)" in page
    assert r"a\*b\*c" in page and r"needs \<script\> \& a\|b and more" in page
    for rows in itertools.groupby(page.splitlines(), key=lambda line: line.startswith("|")):
        if rows[0]:
            assert len({line.replace(r"\|", "").count("|") for line in rows[1]}) == 1


def test_without_a_plan_the_varying_components_are_the_factors(tmp_path):
    for seed, method in itertools.product([0, 1], ["prompt", "mixup+prompt", "mixup(alpha=0.4)+prompt"]):
        row = {"run_id": f"{method}-s{seed}", "dataset": "caer", "method": method, "seed": seed}
        save_run(tmp_path / "runs", row, 0.5 + 0.1 * ("mixup" in method) + 0.01 * seed * len(method))
    out = report([Store(tmp_path / "runs")], None, tmp_path / "out").parent
    assert {row["mixup"] for row in table(out / "results.csv")} == {"0", "1", "2"}
    assert {factor for _, factor in effects(out)} == {"mixup=mixup", "mixup=mixup(alpha=0.4)"}
    assert "The baseline is prompt." in (out / "README.md").read_text()


def test_runs_with_other_settings_are_told_apart_and_never_paired(tmp_path):
    for place, (epochs, method) in enumerate([(20, "prompt"), (5, "mixup+prompt"), (5, "prompt")]):
        row = {"run_id": f"r{place}", "dataset": "caer", "method": method, "seed": 0}
        save_run(tmp_path / "runs", row, 0.5 + 0.1 * place, spec={"train": {"epochs": epochs}})
    out = report([Store(tmp_path / "runs")], None, tmp_path / "out").parent
    page = (out / "README.md").read_text()
    assert "disagree in their settings or data** (train.epochs: 20 or 5)" in page
    warned = "The runs on caer disagree in their settings or data (train.epochs: 20 or 5)."
    assert f"> **{warned}** Such runs are not compared." in page.partition("## ")[0]
    assert f"{warned} Such runs are not compared." in (out / "index.html").read_text()
    assert "train.epochs=5" in (out / "README.md").read_text()
    assert [row["n_pairs"] for row in effects(out).values()] == ["1"]
    assert float(effects(out)["caer", "mixup"]["effect"]) == pytest.approx(-0.1)


def test_versions_of_a_plugin_are_told_apart_and_never_paired(tmp_path):
    for version, seed in itertools.product(["one", "two"], [0, 1]):
        row = {"run_id": f"{version}-s{seed}", "dataset": "caer", "method": "mine+prompt", "seed": seed}
        save_run(tmp_path / "runs", row, 0.6, spec={"plugins": {"mine": {"file": "/home/x/mine.py", "hash": version}}})
        save_run(tmp_path / "runs", {**row, "run_id": f"b-s{seed}", "method": "prompt"}, 0.5)
    page = report([Store(tmp_path / "runs")], None, tmp_path / "both").read_text()
    assert "disagree in their settings or data** (plugins.mine: one or two)" in page and not effects(tmp_path / "both")
    for seed in (0, 1):
        shutil.rmtree(tmp_path / "runs" / "caer" / f"two-s{seed}")
    assert "disagree" not in report([Store(tmp_path / "runs")], None, tmp_path / "one").read_text()
    assert effects(tmp_path / "one")["caer", "mine"]["n_pairs"] == "2"


def test_runs_that_several_processes_trained_together_are_told_from_others(tmp_path):
    plan = plan_of(["caer", "raer"], [0, 1], {"moco": ["", "moco"]})
    store = store_of(tmp_path / "runs", plan)
    for row in plan["runs"]:
        several = row["dataset"] == "raer" and row["levels"]["moco"]
        folder = store.folder(row["dataset"], row["run_id"])
        write(folder / "environment.json", {"processes": 2 if several else 1})
    out = report([store], "demo", tmp_path / "out").parent
    page = (out / "README.md").read_text()
    warned = "The runs on raer were trained by 1 or 2 processes together."
    assert f"> **{warned}** Such runs are compared" in page.partition("## ")[0] and "runs on caer were" not in page
    assert "| processes a run | 1 or 2" in " ".join(page.split()) and effects(out)["raer", "moco"]["n_pairs"] == "2"
    assert warned in (out / "index.html").read_text()


def test_methods_of_which_no_two_differ_in_one_factor_are_said_to_tell_no_effect(tmp_path):
    for seed, method in itertools.product([0, 1], ["lsr+prompt", "ldl(temperature=0.02)+prompt", "ldl+prompt"]):
        row = {"run_id": f"{method}-s{seed}", "dataset": "caer", "method": method, "seed": seed}
        save_run(tmp_path / "runs", row, 0.5)
    out = report([Store(tmp_path / "runs")], None, tmp_path / "out").parent
    page, html = (out / name for name in ("README.md", "index.html"))
    for text in (page.read_text(), html.read_text()):
        assert "No effect can be told from these methods: they differ in more than one of ldl, lsr" in text
        assert "compare yet" not in text
    assert "On caer there is nothing to compare, and no more runs change that." in page.read_text()
    assert "The baseline is prompt, which is not among these runs." in page.read_text()


def test_where_the_classes_of_a_data_set_are_even_two_scores_that_are_the_same_are_shown_once(tmp_path):
    plan = plan_of(["caer", "raer"], [0, 1], {"moco": ["", "moco"]})
    store = store_of(tmp_path / "runs", plan)
    before = report([store], "demo", tmp_path / "out").read_text()
    for row in plan["runs"]:
        if row["dataset"] == "raer":
            scores = {"war": planted_score(row), "uar": planted_score(row)}
            save_run(store.root, row, 0.5, result={"metrics": {"val": scores, "test": scores}, "primary": "uar"})
    page = report([store], "demo", tmp_path / "out").read_text()
    assert "UAR is WAR on raer, since" in page and "UAR is WAR" not in before
    heads = [next(line for line in text.splitlines() if line.startswith("| UAR ")) for text in (before, page)]
    assert [" ".join(head.split()) for head in heads] == ["| UAR | caer | raer | all |", "| UAR | caer | all |"]
    of_raer = page.partition("### raer")[2].partition("##")[0]
    assert "WAR = UAR |" in of_raer and "WAR (primary) |" in page.partition("### caer")[2]
    assert {row["dataset"] for row in table(tmp_path / "out" / "ablation.csv") if row["metric"] == "uar"} > {"raer"}


def test_what_is_not_done_may_be_compared_later(tmp_path):
    plan = plan_of(["caer"], [0], {"moco": ["", "moco"]})
    store = store_of(tmp_path / "runs", {**plan, "runs": plan["runs"][:1]})
    store.write_plan("demo", plan)
    page = report([store], "demo", tmp_path / "out").read_text()
    assert "On caer there is nothing to compare yet." in page and "No two finished runs differ" in page


def test_where_the_data_or_the_weights_lie_makes_no_difference(tmp_path):
    for seed, method in itertools.product([0, 1], ["prompt", "mixup+prompt"]):
        row = {"run_id": f"{method}-s{seed}", "dataset": "caer", "method": method, "seed": seed}
        data = {"fingerprint": "same", "root": f"/mnt/{seed}"}
        save_run(tmp_path / "runs", row, 0.5, spec={"data": data, "model": {"pretrained": f"/w/{seed}"}})
    assert "disagree" not in report([Store(tmp_path / "runs")], None, tmp_path / "out").read_text()


def test_alarms_are_counted_in_the_table_and_named_below(tmp_path):
    plan = plan_of(["caer"], [0])
    store = store_of(tmp_path / "runs", plan)
    row = plan["runs"][-1]
    save_run(tmp_path / "runs", row, 0.5, result={"alarms": 2, "errors": 1})
    alarm = {"sentinel": "flat-target", "severity": "error", "epoch": 3, "message": "99 % of log K"}
    write(tmp_path / "runs" / "caer" / row["run_id"] / "alarms.jsonl", alarm)
    page = report([store], "demo", tmp_path / "out").read_text()
    assert "⚠ 1 error; △ 1 warning" in page
    assert "flat-target" in page and row["run_id"] in page and "99 % of log K" in page


def test_missing_face_boxes_are_visible(board):
    page = (board / "README.md").read_text()
    assert "| caer" in page and "10.0 %" in page
    assert "boxes used: frame 130, center-crop 10" in page


@pytest.mark.parametrize("grid", [None, "demo"])
def test_a_store_without_runs_is_bad_input(tmp_path, grid):
    with pytest.raises(BadInput, match="harness run|harness plan"):
        report([Store(tmp_path / "nothing")], grid, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_grid_of_which_nothing_is_done_says_why(tmp_path):
    plan = plan_of(["caer"], [0])
    store = Store(tmp_path / "runs")
    store.write_plan("demo", plan)
    with pytest.raises(BadInput, match="none of 6 runs is done"):
        report([store], "demo", tmp_path / "out")
    error = {"type": "ValueError", "message": "no labels"}
    save_run(tmp_path / "runs", plan["runs"][0], 0.0, result={"status": "failed", "error": error})
    with pytest.raises(BadInput, match="ValueError: no labels"):
        report([store], "demo", tmp_path / "out")


def test_numbers_are_spelled_for_people():
    assert spread([0.5]) == "50.0" and spread([0.5, 0.7]) == "60.0 ± 14.1" and spread([]) == "–"
    assert [points(x) for x in (0.0123, -0.0123, -0.0001)] == ["+1.2", "−1.2", "0.0"]
    assert escape("run_id _x_ a|b") == r"run_id \_x\_ a\|b"
    assert without_folders("see /a/b/c.py and x/y") == "see …/c.py and x/y"
