"""A grid from plan to table: trained once, skipped when done, failures recorded, interrupted and taken up again."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet
import pytest

from harness.cli import main

ROOT = Path(__file__).parents[2]

FAILING = '''
from dataclasses import dataclass
from harness.methods import Component

class Broken(Component):
    """Raises in the second step."""
    name = "broken"
    paper = "none"

    @dataclass(frozen=True)
    class Settings:
        pass

    def after_step(self, ctx):
        if ctx.step == 1:
            raise RuntimeError("broken on purpose")
'''


def run(folder: Path, *arguments: str) -> int:
    return main(["run", "--runs", str(folder / "runs"), "--out", str(folder / "out"), "--workers", "1", *arguments])


def stamps(folder: Path) -> dict:
    return {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*/*")}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The default grid, every pair, as a smoke test."""
    folder = tmp_path_factory.mktemp("grid")
    assert main(["run", "--grid", "--tiny", "--runs", f"{folder}/runs", "--out", f"{folder}/out"]) == 0
    return folder


def test_the_default_grid_trains_every_pair(trained):
    plan = json.loads((trained / "runs/plans/default-tiny.json").read_text())
    assert len({(row["dataset"], row["method"]) for row in plan["runs"]}) == 36
    assert len(plan["dropped"]) == 4
    assert all("warmup needs ldl" in dropped["why"] for dropped in plan["dropped"])
    assert len(list(trained.glob("runs/*/*/result.json"))) == 36


def test_a_run_folder_holds_all_that_is_promised(trained):
    folder = next(trained.glob("runs/daisee/ldl-prompt-s0-*"))
    names = {"spec.json", "environment.json", "history.jsonl", "alarms.jsonl", "predictions.parquet", "result.json"}
    assert {path.name for path in folder.iterdir()} == names
    result = json.loads((folder / "result.json").read_text())
    assert set(result["metrics"]) == {"val", "test"}
    assert set(result["metrics"]["test"]) == {"war", "uar", "f1", "ece"}
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert 0 < history[0]["target"]["entropy"] < 1
    table = pyarrow.parquet.read_table(folder / "predictions.parquet").to_pydict()
    assert set(table) == {"clip_id", "split", "epoch", "label", "prediction", "probabilities"}
    test = [i for i, split in enumerate(table["split"]) if split == "test"]
    assert len({table["clip_id"][i] for i in test}) == len(test)
    right = sum(table["label"][i] == table["prediction"][i] for i in test)
    assert right / len(test) == pytest.approx(result["metrics"]["test"]["war"])


def test_the_leaderboard_has_a_row_for_every_method_and_says_what_it_is(trained):
    page = (trained / "out/README.md").read_text()
    assert "Rendered miniatures" in page
    rows = list(csv.DictReader((trained / "out/results.csv").open()))
    assert len({(row["dataset"], row["method"]) for row in rows}) == 36
    assert {"ldl", "warmup", "moco", "mixup"} < set(rows[0])
    assert (trained / "out/ablation.csv").exists()


def test_a_second_call_trains_nothing_and_changes_no_byte(trained, capsys):
    before, page = stamps(trained), (trained / "out/README.md").read_bytes()
    assert main(["run", "--grid", "--tiny", "--runs", f"{trained}/runs", "--out", f"{trained}/out"]) == 0
    assert stamps(trained) == before
    assert (trained / "out/README.md").read_bytes() == page
    assert "36 of 36 runs done" in capsys.readouterr().out


def test_selectors_train_only_a_part_of_the_grid(trained, tmp_path, capsys):
    part = ["--grid", "--tiny", "--datasets", "raer", "--methods", "prompt+lsr"]
    assert run(tmp_path, *part) == 0
    assert "1 of 1 runs done" in capsys.readouterr().out
    assert "1 of 36 runs are done" in (tmp_path / "out/README.md").read_text()


def test_plan_tells_what_is_done(trained, capsys):
    assert main(["plan", "--grid", "--tiny", "--runs", f"{trained}/runs", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert {row["status"] for row in plan["runs"]} == {"done"}
    assert {"run_id", "dataset", "method", "seed", "status", "eta_s"} <= set(plan["runs"][0])


def test_show_gives_the_command_that_trains_the_very_same_run(trained, tmp_path, capsys):
    folder = next(trained.glob("runs/raer/ldl-mixup-*"))
    assert main(["show", folder.name, "--runs", f"{trained}/runs", "--json"]) == 0
    command = json.loads(capsys.readouterr().out)["command"].split()
    import shlex

    words = shlex.split(" ".join(command))
    assert words[:2] == ["harness", "run"] and words[-2:] == ["--runs", f"{trained}/runs"]
    assert run(tmp_path, *words[2:-2]) == 0
    again = next((tmp_path / "runs").glob("raer/*/result.json"))
    assert again.parent.name == folder.name
    assert json.loads(again.read_text())["metrics"] == json.loads((folder / "result.json").read_text())["metrics"]


def test_a_failing_run_is_recorded_and_the_others_finish(tmp_path, capsys):
    plugin = tmp_path / "broken.py"
    plugin.write_text(FAILING)
    methods = ["--datasets", "raer", "--methods", "prompt+broken,prompt", "--tiny", "--plugin", str(plugin)]
    assert run(tmp_path, *methods) == 1
    said = capsys.readouterr()
    assert "1 of 2 runs done, 1 failed" in said.out
    assert "RuntimeError: broken on purpose" in said.err
    failed = json.loads(next(tmp_path.glob("runs/raer/broken-*/result.json")).read_text())
    assert failed["status"] == "failed"
    assert "Traceback" in failed["error"]["traceback"]
    assert "broken on purpose" in (tmp_path / "out/README.md").read_text()
    assert run(tmp_path, *methods) == 1, "a failed run is tried again on the next call, a done one is not"
    assert "[2/2]" in capsys.readouterr().err


def test_an_interrupted_grid_keeps_what_is_done_and_goes_on(tmp_path):
    words = ["run", "--datasets", "raer", "--methods", "prompt,prompt+lsr,prompt+ldl", "--seeds", "0,1", "--tiny"]
    words += ["--runs", f"{tmp_path}/runs", "--out", f"{tmp_path}/out", "--set", "train.epochs=60"]
    process = subprocess.Popen([sys.executable, "-m", "harness", *words], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    deadline = time.time() + 240
    while not list(tmp_path.glob("runs/raer/*/result.json")) and time.time() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 3
    assert "run the same command again" in process.stderr.read()
    done = stamps(tmp_path)
    kept = [path for path in done if path.name == "result.json"]
    assert 1 <= len(kept) < 6
    assert main(words) == 0
    after = stamps(tmp_path)
    assert len([path for path in after if path.name == "result.json"]) == 6
    assert all(after[path] == done[path] for path in kept)
