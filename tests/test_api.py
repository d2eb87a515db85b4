"""The door for Python: light to import, the same runs as the command, tables for pandas."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

import harness
from harness import api, cli
from harness.errors import BadInput
from harness.schedule import placement
from harness.training import trackers

METHODS = ["prompt+adapter", "lsr(epsilon=0.1)"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def results(folder) -> api.Results:
    settings = {"train.epochs": 2, "train.milestones": (1,)}
    return harness.run(
        ["caer"],
        METHODS,
        [0],
        settings=settings,
        tiny=True,
        runs=folder / "runs",
        out=folder / "out",
        workers=1,
        save_model=True,
    )


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, harness; harness.__version__; dir(harness); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "pandas", "numpy", "datasets", "harness.api"} & set(loaded)


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match="no attribute 'train'"):
        harness.train  # noqa: B018
    assert {harness.run, harness.results, harness.open, harness.load} == {api.run, api.results, api.open, api.load}


def test_what_was_run_is_told_and_its_leaderboard_written(results, folder):
    assert (results.wanted, results.done, results.failed) == (2, 2, {})
    assert results.leaderboard == folder / "out" / "README.md" and results.leaderboard.exists()
    assert results.open("lsr").spec["train"]["epochs"] == 2
    assert results.open("lsr").spec["train"]["milestones"] == [1]


def test_results_are_the_table_that_a_leaderboard_has(results, folder):
    written = pandas.read_csv(folder / "out" / "results.csv")
    for found in (results.scores, harness.results(folder / "runs")):
        assert list(found.columns) == list(written.columns)
        assert found.to_csv(index=False) == written.to_csv(index=False)
    war = results.scores.query("split == 'test' and metric == 'war'")
    assert len(war) == 2 and war["value"].between(0, 1).all()


def test_the_command_finds_these_runs_done(results, folder, capsys):
    words = ["plan", "--datasets", "caer", "--methods", ",".join(METHODS), "--seeds", "0", "--tiny", "--json"]
    sets = ["--set", "train.epochs=2", "--set", "train.milestones=1|", "--runs", str(folder / "runs")]
    assert cli.main([*words, *sets]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert [row["status"] for row in planned["runs"]] == ["done", "done"]
    assert [plan.stem for plan in (folder / "runs" / "plans").iterdir()] == [planned["grid"]]


def test_a_run_is_opened_with_its_history_and_predictions(results, folder):
    run = harness.open("adapter", folder / "runs")
    history, predictions = run.history(), run.predictions()
    assert list(history["epoch"]) == [0, 1] and {"losses.cls", "lr.head", "val.war"} <= set(history.columns)
    test = predictions.query("split == 'test'")
    classes = run.result["classes"]
    assert np.allclose(test[classes].sum(axis=1), 1, atol=1e-5)
    assert (test["label"] == test["prediction"]).mean() == pytest.approx(run.result["metrics"]["test"]["war"])
    assert (test[classes].idxmax(axis=1) == test["prediction"].astype(str)).all()
    assert list(predictions["label"].cat.categories) == classes


def test_an_opened_run_predicts_and_is_exported_and_loaded(results, folder):
    run = harness.open("adapter", folder / "runs")
    (video, *_) = Path(os.environ["HARNESS_CACHE"]).glob("miniatures/*limit4/CAER/test/Happy/*.avi")
    found = run.predict(video, (20, 20, 80, 80))
    assert found == harness.load(run.id, folder / "runs").predict(video, (20, 20, 80, 80))
    assert found == harness.load(run.export(folder / "exported")).predict(video, (20, 20, 80, 80))


def test_a_run_that_fails_is_warned_of_and_the_others_count(folder, monkeypatch):
    from harness import plugins

    def broken(*_):
        raise ValueError("no such thing")

    monkeypatch.setattr(plugins.get("methods", "ldl"), "kernel", broken)
    with pytest.warns(UserWarning, match=r"failed: ldl.*ValueError: no such thing"):
        found = harness.run(["caer"], ["ldl", "lsr"], tiny=True, runs=folder / "failing", workers=1)
    assert found.done == 1 and list(found.failed.values()) == ["ValueError: no such thing"]
    assert set(found.scores["method"]) == {"lsr"} and found.leaderboard is None
    with (
        pytest.warns(UserWarning, match="failed: ldl"),
        pytest.raises(BadInput, match="none of 1 run is done: ValueError: no such thing"),
    ):
        harness.run(["caer"], ["ldl"], tiny=True, runs=folder / "all failing", workers=1)


@pytest.mark.parametrize(
    ("told", "what"),
    [
        ({}, "nothing selected"),
        ({"datasets": ["caar"], "methods": ["prompt"]}, "no such data set"),
        ({"datasets": ["caer"], "methods": ["prompt"], "settings": {"train.epoch": 1}}, "did you mean epochs"),
        ({"datasets": ["caer"], "methods": ["prompt"], "seeds": [-1]}, "is not a list of seeds"),
        ({"datasets": ["caer"], "methods": ["prompt"], "track": ["tensorbord"]}, "did you mean tensorboard"),
        ({"grid": "nowhere.toml"}, "no such grid file"),
    ],
)
def test_bad_input_is_raised_and_nothing_is_written(told, what, tmp_path):
    with pytest.raises(BadInput, match=what):
        harness.run(**told, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_text_is_one_name(tmp_path, monkeypatch):
    seen = []

    def run(plan, record, store, asked, argv):
        seen.append(([run.run_id for run in plan.runs], asked, record["command"]))
        raise KeyboardInterrupt

    monkeypatch.setattr(placement, "run", run)
    monkeypatch.setattr(trackers, "check", lambda names: None)
    for told in ({"track": "wandb"}, {"track": ["wandb"]}):
        datasets, methods = ("caer", "lsr") if isinstance(told["track"], str) else (["caer"], ["lsr"])
        with pytest.raises(KeyboardInterrupt):
            harness.run(datasets, methods, **told, tiny=True, runs=tmp_path)
    assert seen[0] == seen[1] and seen[0][1].track == ("wandb",)
    with pytest.raises(BadInput, match=r"nowhere\.py: no such plugin file"):
        harness.run("caer", "lsr", plugin="nowhere.py", runs=tmp_path)


def test_the_process_is_left_as_it_was(results, folder, monkeypatch):
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    monkeypatch.delenv("HARNESS_WORKERS", raising=False)
    torch.set_num_threads(2)
    try:
        harness.run(["caer"], ["lsr"], tiny=True, runs=folder / "left", workers=1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert handlers == {number: signal.getsignal(number) for number in handlers}
    assert "HARNESS_WORKERS" not in os.environ


def test_what_a_launcher_told_and_the_visible_devices_are_given_back(tmp_path, monkeypatch):
    told = {"RANK": "1", "WORLD_SIZE": "2"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(api, "_device", {})
    seen = []

    def run(plan, record, store, asked, argv):
        """Hides and sets what `launch.accelerator` does where there are two devices."""
        seen.append(os.environ.get("CUDA_VISIBLE_DEVICES"))
        for name in told:
            del os.environ[name]
        os.environ["CUDA_VISIBLE_DEVICES"] = "1"
        raise KeyboardInterrupt

    monkeypatch.setattr(placement, "run", run)
    before = dict(os.environ)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            harness.run(["caer"], ["lsr"], tiny=True, runs=tmp_path)
        assert dict(os.environ) == before
    assert seen == [None, "1"], "a process keeps the device that it has"


def test_of_launched_processes_the_first_writes_the_leaderboard(results, folder, monkeypatch):
    told = {"settings": {"train.epochs": 2, "train.milestones": (1,)}, "tiny": True, "workers": 1}
    words = {**told, "runs": folder / "runs", "out": folder / "ranks"}
    monkeypatch.setenv("RANK", "1")
    assert harness.run(["caer"], METHODS, [0], **words).leaderboard is None
    assert not (folder / "ranks").exists()
    monkeypatch.setenv("RANK", "0")
    assert harness.run(["caer"], METHODS, [0], **words).leaderboard == folder / "ranks" / "README.md"


def test_the_store_is_the_users_unless_told(results, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "config.toml").write_text(f'runs = "{folder}/runs"\n')
    found = harness.run(
        ["caer"], METHODS, [0], settings={"train.epochs": 2, "train.milestones": (1,)}, tiny=True, workers=1
    )
    assert found.runs == str(folder / "runs") and len(found.scores) == len(harness.results()) > 0
    assert harness.open("adapter").folder == harness.open("adapter", folder / "runs").folder
    assert harness.load("adapter").facts.run_id == harness.open("adapter").id
    assert not (tmp_path / "runs").exists()


def test_a_script_without_a_guard_trains_on_miniatures_that_are_not_there_yet(tmp_path):
    """A process that films must not begin the script anew."""
    script = tmp_path / "script.py"
    script.write_text("import harness\nharness.run(['caer'], ['lsr'], tiny=True, workers=1)\nprint('once')\n")
    told = {**os.environ, "HARNESS_CACHE": str(tmp_path / "cache")}
    words = [sys.executable, str(script)]
    done = subprocess.run(words, cwd=tmp_path, env=told, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("once") == 1 and (tmp_path / "runs" / "caer").is_dir()


def test_workers_are_told_all_that_was_asked_for(tmp_path, monkeypatch):
    """They run the command with these words: it must read them as the same runs, trained in the same way."""
    seen = {}

    def run(plan, record, store, asked, argv):
        seen.update(ids=[run.run_id for run in plan.runs], asked=asked, argv=argv, command=record["command"])
        raise KeyboardInterrupt

    monkeypatch.setattr(placement, "run", run)
    told = {"settings": {"ldl.temperature": 0.2, "train.milestones": (3, 5)}, "workers": 2}
    with pytest.raises(KeyboardInterrupt):
        harness.run(["caer"], ["ldl+prompt(tokens=2,lr=0.1)"], [3], **told, runs=tmp_path, save_model=True)
    first = dict(seen)
    monkeypatch.setattr(placement, "run", run)
    assert cli.main(first["argv"]) == 3
    assert seen["ids"] == first["ids"] and seen["command"] == first["command"] == shlex.join(
        ["harness", *seen["argv"]][:-1]
    )
    assert first["asked"].save_model and seen["asked"].save_model


def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path):
    nbformat, nbclient = (
        pytest.importorskip(name, reason=f"{name} is not installed") for name in ("nbformat", "nbclient")
    )
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    notebook = nbformat.read(Path(__file__).parents[1] / "examples" / "notebook.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells), "it is stored without what it shows"
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", []) if output.output_type != "stream"]
    text = "\n".join(output["data"].get("text/plain", "") for output in shown)
    assert "wanted=4, done=4, failed={}" in text and "uar" in text
    assert any("image/png" in output["data"] for output in shown)
    assert (tmp_path / "runs-of-notebook" / "exported" / "README.md").exists()


def test_the_code_of_the_page_runs(results, folder, tmp_path, monkeypatch):
    """docs/python.md promises these names; what trains there is replaced by what the tests have trained."""
    page = (Path(__file__).parents[1] / "docs" / "python.md").read_text()
    (block, *_) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (video, *_) = Path(os.environ["HARNESS_CACHE"]).glob("miniatures/*limit4/CAER/test/Happy/*.avi")
    monkeypatch.chdir(tmp_path)
    asked = {}
    monkeypatch.setattr(api, "run", lambda *words, **told: asked.update(told) or results)
    monkeypatch.setattr(api, "results", lambda runs, grid: asked.update(grid=grid))
    shutil.copy(video, tmp_path / "video.mp4")
    exec(block.replace("ldl-prompt-s0", "adapter-prompt-s0"), given := {})
    assert asked == {"settings": {"train.epochs": 5}, "save_model": True, "grid": "default"}
    assert given["found"].notes == [] and (tmp_path / "seen.png").exists()
