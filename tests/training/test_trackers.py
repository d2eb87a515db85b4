"""Trackers: each is started for real where its package is installed, offline, and told the same as the store."""

from __future__ import annotations

import importlib.util
import json
import sqlite3
from pathlib import Path

import pyarrow.parquet
import pytest
from accelerate import Accelerator
from faults.lab import wait_for
from hypothesis import given
from hypothesis import strategies as st

from harness.cli import main
from harness.errors import BadInput
from harness.training import trackers
from harness.training.trackers import flat, of_run, tracking

SPEC = {"method": "prompt", "seed": 0, "train": {"epochs": 2, "milestones": [3, 5]}, "data": {"root": "/home/me/CAER"}}
ROWS = [
    {"epoch": n, "losses": {"cls": 2.5 - n}, "val": {"war": 0.25 + n / 2}, "target": {"entropy": None}, "lr": {}}
    for n in range(2)
]
RUNS = ("prompt-s0-aaaa", "prompt-s1-bbbb")


def needs(package: str):
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed")


def track(name: str, root: Path) -> None:
    """Two runs of a grid, one after the other in this process, as the runner tells them."""
    Accelerator(cpu=True)
    said: list[str] = []
    for run_id in RUNS:
        with tracking(of_run([name], "my-grid", run_id, SPEC, root), said.append) as tracked:
            for row in ROWS:
                tracked.epoch(row)
        assert not tracked.failed and not tracked.running
    assert not said


@needs("tensorboard")
def test_tensorboard_reads_back_every_epoch_of_every_run(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    track("tensorboard", tmp_path)
    for run_id in RUNS:
        events = EventAccumulator(str(tmp_path / ".tensorboard" / "my-grid" / run_id)).Reload()
        assert [(e.step, e.value) for e in events.Scalars("val/war")] == [(0, 0.25), (1, 0.75)]
        assert [e.value for e in events.Scalars("losses/cls")] == [2.5, 1.5]
        assert "target/entropy" not in events.Tags()["scalars"]
        (told,) = (tmp_path / ".tensorboard" / "my-grid" / run_id).glob("*/hparams.yml")
        assert "train.epochs: 2" in told.read_text() and "/home/me" not in told.read_text()


@needs("wandb")
def test_wandb_keeps_each_run_offline_under_its_id(tmp_path, monkeypatch):
    for name, value in (("WANDB_MODE", "offline"), ("WANDB_DIR", str(tmp_path)), ("WANDB_SILENT", "true")):
        monkeypatch.setenv(name, value)
    track("wandb", tmp_path)
    for run_id in RUNS:
        (file,) = tmp_path.glob(f"wandb/offline-run-*-{run_id}/run-{run_id}.wandb")
        words = (b"my-grid", b"val/war", b"losses/cls", b"train.epochs")
        wait_for(
            lambda file=file, words=words: all(word in file.read_bytes() for word in words)
        )  # its process writes it
        assert b"/home/me" not in file.read_bytes()


@needs("mlflow")
def test_mlflow_reads_back_every_epoch_of_every_run(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    from mlflow import MlflowClient

    track("mlflow", tmp_path)
    client = MlflowClient()
    found = client.search_runs([client.get_experiment_by_name("my-grid").experiment_id])
    assert {run.info.run_name for run in found} == set(RUNS)
    for run in found:
        told = client.get_metric_history(run.info.run_id, "val/war")
        assert [(metric.step, metric.value) for metric in told] == [(0, 0.25), (1, 0.75)]
        assert run.data.params["train.epochs"] == "2" and run.info.status == "FINISHED"
        assert "data.root" not in run.data.params


@needs("trackio")
def test_trackio_stores_every_epoch_of_every_run(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))
    track("trackio", tmp_path)
    with sqlite3.connect(tmp_path / "my-grid.db") as found:
        rows = found.execute("select run_name, step, metrics from metrics order by run_name, step").fetchall()
    told = [(run, step, json.loads(metrics)["val/war"]) for run, step, metrics in rows]
    assert told == [(run, step, 0.25 + step / 2) for run in RUNS for step in (0, 1)]


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────────────


class Failing:
    """A tracker that fails at one of its calls."""

    def __init__(self, at: str) -> None:
        self.at, self.calls = at, []

    def __getattr__(self, name):
        def call(*arguments, **keywords):
            self.calls.append(name)
            if name == self.at:
                raise ConnectionError("no route\nto the host")

        return call


@pytest.mark.parametrize("at", ["start", "store_init_configuration", "log", "finish"])
def test_a_tracker_that_fails_is_told_and_left_out_and_the_others_go_on(at, monkeypatch):
    monkeypatch.setattr(trackers, "PAUSE", 0)
    failing, sound, said = Failing(at), Failing("never"), []
    with tracking({"wandb": (failing, {}), "mlflow": (sound, {})}, said.append) as tracked:
        for row in ROWS:
            tracked.epoch(row)
    assert tracked.failed == {"wandb": "ConnectionError: no route"}
    assert said == ["wandb: ConnectionError: no route; the run is not tracked there any more, and trains on"]
    assert sound.calls == ["start", "store_init_configuration", "log", "log", "finish"]
    assert failing.calls.count("log") == {"log": 1, "finish": 2}.get(at, 0)
    assert failing.calls.count("finish") == (0 if at == "start" else 2 if at == "finish" else 1)


def test_a_start_that_fails_once_is_tried_again(monkeypatch):
    """Two workers that begin together may both make the experiment, and one of them is refused."""
    monkeypatch.setattr(trackers, "PAUSE", 0)
    late = Failing("never")
    tries = iter([ConnectionError("already exists"), None])

    def start():
        if error := next(tries):
            raise error

    late.start = start
    with tracking({"mlflow": (late, {})}, print) as tracked:
        assert tracked.running and not tracked.failed


def test_a_training_that_fails_finishes_its_trackers():
    tracker = Failing("never")
    with pytest.raises(ZeroDivisionError), tracking({"wandb": (tracker, {})}, print):
        raise ZeroDivisionError
    assert tracker.calls[-1] == "finish"


def test_a_tracker_without_its_package_is_refused_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match="mlflow is not installed — pip install mlflow"):
        trackers.check(["mlflow"])


def test_an_unknown_tracker_is_refused_before_anything_is_written(tmp_path, capsys):
    words = ["run", "--datasets", "caer", "--methods", "prompt", "--runs", str(tmp_path / "runs")]
    assert main([*words, "--track", "tensorbord"]) == 2
    assert "did you mean tensorboard?" in capsys.readouterr().err and not (tmp_path / "runs").exists()


# ── through the command ─────────────────────────────────────────────────────────────────────────────────────


def train(folder: Path, *words: str) -> Path:
    told = ["--datasets", "caer", "--methods", "prompt", "--tiny", "--runs", f"{folder}/runs", "--out", f"{folder}/out"]
    assert main(["run", *told, "--workers", "1", *words]) == 0
    (result,) = folder.glob("runs/caer/*/result.json")
    return result.parent


@needs("tensorboard")
def test_tracking_makes_no_other_run_and_changes_no_number(tmp_path, monkeypatch):
    from accelerate.tracking import TensorBoardTracker

    plain = train(tmp_path / "plain")
    tracked = train(tmp_path / "tracked", "--track", "tensorboard")
    monkeypatch.setattr(TensorBoardTracker, "log", Failing("log").log)
    broken = train(tmp_path / "broken", "--track", "tensorboard")
    assert plain.name == tracked.name == broken.name
    tables = [pyarrow.parquet.read_table(folder / "predictions.parquet") for folder in (plain, tracked, broken)]
    assert tables[0].equals(tables[1]) and tables[0].equals(tables[2])
    untracked = [json.loads((folder / "result.json").read_text()).get("untracked") for folder in (tracked, broken)]
    assert untracked == [None, {"tensorboard": "ConnectionError: no route"}]
    assert list(tmp_path.glob("tracked/runs/.tensorboard/*/*/events*"))


# ── what they are told ──────────────────────────────────────────────────────────────────────────────────────

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
nested = st.recursive(leaves, lambda inner: st.dictionaries(st.text("abc", min_size=1), inner, max_size=3))


@given(st.dictionaries(st.text("abc", min_size=1), nested, max_size=3))
def test_flat_facts_hold_every_plain_value_under_its_path(facts):
    found = flat(facts, "/")

    def at(path):
        value = facts
        for name in path.split("/"):
            value = value[name]
        return value

    assert all(at(path) == value for path, value in found.items())

    def count(value):
        return sum(map(count, value.values())) if isinstance(value, dict) else int(value is not None)

    assert len(found) == count(facts)
