"""Who trains what, where: placement and workers are chosen and explained; every run ends once, whoever dies."""

import json
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest
from faults import lab, plants

from harness.errors import BadInput
from harness.protocol import Model
from harness.schedule import launch, placement
from harness.schedule.launch import Launch
from harness.store import holders, leases

ROOT = Path(__file__).parents[2]

ONE = Launch(rank=0, local_rank=0, world=1, local_world=1, worker=0)
TWO = Launch(rank=1, local_rank=1, world=2, local_world=2, worker=0)


def plan(trunk: str):
    return types.SimpleNamespace(grid=types.SimpleNamespace(sections={"model": Model(trunk=trunk)}))


@pytest.mark.parametrize(
    ("trunk", "where", "expected"),
    [("frozen", ONE, "pair"), ("frozen", TWO, "pair"), ("trainable", ONE, "pair"), ("trainable", TWO, "data")],
)
def test_auto_placement_follows_the_trunk_and_says_why(trunk, where, expected):
    found, why = placement._placement(plan(trunk), "auto", where)
    assert found == expected
    assert why
    assert placement._placement(plan(trunk), "data", where)[0] == "data"


def test_auto_workers_use_the_cores_of_one_process_but_not_more_than_there_are_runs(monkeypatch):
    monkeypatch.setattr(placement.os, "sched_getaffinity", lambda _: set(range(4)))

    def count(trunk="frozen", placed="pair", where=ONE, asked="auto", todo=108, gpu=False):
        first, most, why = placement._workers(plan(trunk), asked, placed, where, todo, gpu=gpu)
        assert why
        return first if first == most else (first, most)

    assert count() == 4
    assert count(todo=2) == 2
    assert count(todo=0) == 1
    assert count(where=TWO) == 1
    assert count(trunk="trainable") == 1
    assert count(asked="3") == 3
    assert count(placed="data") == 1
    assert count(gpu=True) == (1, 4), "small runs are packed as long as it brings something"
    assert count(gpu=True, todo=3) == (1, 3)
    assert count(gpu=True, where=TWO) == (1, 2), "the launched processes share the cores"
    assert count(gpu=True, trunk="trainable") == 1
    assert count(gpu=True, asked="3") == 3
    with pytest.raises(BadInput, match="--workers"):
        count(placed="data", asked="3")


def test_the_launch_is_read_from_the_environment(monkeypatch):
    for name, value in {"RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    found = launch.here()
    assert (found.rank, found.local_rank, found.world, found.local_world) == (3, 1, 4, 2)
    assert not found.leads


def test_a_process_knows_its_launch_also_after_it_was_hidden_from_accelerate(monkeypatch):
    monkeypatch.setattr(launch, "_hidden", {})
    for name, value in {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    told = launch.here()
    assert launch.accelerator(told, "pair").num_processes == 1
    assert "RANK" not in launch.os.environ and launch.here() == told and not launch.here().leads


def test_a_launcher_that_started_fewer_processes_is_named(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    assert launch.shortfall(ONE) == ""
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    assert "asked for" in launch.shortfall(ONE)
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert launch.shortfall(ONE) == ""


@pytest.mark.parametrize("trains", [True, False])
def test_processes_that_train_together_go_by_what_the_first_of_them_finds_to_do(trains, cache, tmp_path):
    cache.mkdir(exist_ok=True)
    seen = [None, plants.finds_all_done] if trains else [plants.finds_all_done, None]
    ended = lab.together(*lab.small(tmp_path, "--set", "train.epochs=1", methods="prompt"), plants=seen)
    assert [one.code for one in ended] == [0, 0], ended
    assert len(lab.stored(tmp_path / "runs")) == trains


# ── the real command, with workers that die ─────────────────────────────────────────────────────────────────


COMPONENTS = """
import os
import time
from harness.methods import Component

class Deadly(Component):
    name = "deadly"

    def after_step(self, ctx):
        os.kill(os.getpid(), 9)

class Slow(Component):
    name = "slow"

    def after_step(self, ctx):
        time.sleep(1)

class Raising(Component):
    name = "raising"

    def after_step(self, ctx):
        if os.environ.get("RANK") == "1":
            raise RuntimeError("on purpose")
"""


class Grid:
    """`harness run` with some workers on small runs of a miniature, watched from outside, in a session of its own."""

    def __init__(self, folder: Path, *, epochs: int, workers: int = 3, methods: str = "prompt,prompt+lsr") -> None:
        self.runs = folder / "runs"
        words = ["run", "--datasets", "raer", "--methods", methods, "--seeds", "0,1,2,3", "--workers", str(workers)]
        words += ["--set", f"train.epochs={epochs}", "--set", "train.limit=4", "--set", "clips.frames=2"]
        words += ["--runs", str(self.runs), "--out", str(folder / "out"), "--plugin", str(folder / "mine.py")]
        (folder / "mine.py").write_text(COMPONENTS)
        self.error = (folder / "stderr").open("w+")
        command = [sys.executable, "-m", "harness", *words]
        self.lead = subprocess.Popen(command, cwd=ROOT, stderr=self.error, start_new_session=True)
        self.written: dict[str, set[int]] = {}  # when results were seen to be written, by run

    def look(self) -> None:
        time.sleep(0.02)
        for path in self.runs.glob("raer/*/result.json"):
            self.written.setdefault(path.parent.name, set()).add(path.stat().st_mtime_ns)

    def holders(self) -> set[int]:
        """The processes that train a run."""
        return {pid for folder in self.runs.glob("raer/*") if (pid := leases.holder(folder))}

    def wait_for_workers(self, count: int) -> list[int]:
        """Workers beside the lead that train a run, at least so many."""
        deadline = time.monotonic() + 240
        while len(found := self.holders() - {self.lead.pid}) < count:
            assert self.lead.poll() is None and time.monotonic() < deadline, self.said()
            self.look()
        return sorted(found)

    def said(self) -> str:
        self.error.seek(0)
        return self.error.read()


@pytest.fixture
def grid(tmp_path, request):
    grid = Grid(tmp_path, epochs=request.param)
    yield grid
    grid.lead.kill()
    grid.error.close()


def wait_until_gone(pids: list[int], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(holders.started(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("grid", [300], indirect=True)
def test_a_grid_whose_workers_are_killed_trains_every_run_exactly_once(grid):
    killed: set[int] = set()
    while len(killed) < 2:
        victim = grid.wait_for_workers(1)[0]
        if victim not in killed:  # it may take a moment to die
            os.kill(victim, signal.SIGKILL)
            killed.add(victim)
    while grid.lead.poll() is None:
        grid.look()
    assert grid.lead.returncode in (0, 1), grid.said()  # 1: so short a training may alarm
    results = [json.loads(path.read_text()) for path in grid.runs.glob("raer/*/result.json")]
    assert [result["status"] for result in results] == ["done"] * 8
    assert [len(times) for times in grid.written.values()] == [1] * 8, "written once"
    assert grid.said().count("was killed by SIGKILL") == 2
    assert not any(leases.held(folder) for folder in grid.runs.glob("raer/*"))


@pytest.mark.slow
@pytest.mark.parametrize("grid", [4000], indirect=True)
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_workers_leave_with_their_lead_in_bounded_time(grid, end):
    workers = grid.wait_for_workers(2)
    grid.lead.send_signal(end)
    assert grid.lead.wait(30) == (-9 if end == signal.SIGKILL else 3), grid.said()
    wait_until_gone(workers, 30)
    assert not any(leases.held(folder) for folder in grid.runs.glob("raer/*"))
    assert "Traceback" not in grid.said()


@pytest.mark.slow
def test_a_signal_to_all_processes_at_once_saves_every_run(tmp_path):
    """As SLURM sends it: to the lead, which tells its worker, and to the worker, which is in a step all the while."""
    grid = Grid(tmp_path, epochs=4000, workers=2, methods="prompt+slow")
    try:
        grid.wait_for_workers(1)
        while len(trained := [path.parent for path in grid.runs.glob("raer/*/history.jsonl")]) < 2:
            grid.look()
        os.killpg(grid.lead.pid, signal.SIGUSR1)
        assert grid.lead.wait(30) == 3, grid.said()
        assert all(list(folder.glob("checkpoint/*/0-of-1")) for folder in trained), grid.said()
        assert not any(leases.held(folder) for folder in trained) and "Traceback" not in grid.said()
    finally:
        grid.lead.kill()
        grid.error.close()


def call(folder: Path, *words: str, launcher: tuple[str, ...] = ()) -> tuple[int, str, dict[str, dict]]:
    """A small grid's exit code, what it said and its results by method."""
    (folder / "mine.py").write_text(COMPONENTS)
    command = [*(launcher or [sys.executable]), "-m", "harness", "run", "--datasets", "raer", *words]
    command += ["--set", "train.epochs=1", "--set", "train.limit=4", "--set", "clips.frames=2"]
    command += ["--runs", str(folder / "runs"), "--out", str(folder / "out"), "--plugin", str(folder / "mine.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    results = [json.loads(path.read_text()) for path in folder.glob("runs/raer/*/result.json")]
    return done.returncode, done.stderr, {result["method"]: result for result in results}


@pytest.mark.slow
def test_a_run_that_kills_its_process_keeps_no_other_from_being_trained(tmp_path):
    words = ["--methods", "prompt+deadly,prompt,prompt+lsr", "--seeds", "0", "--workers", "2"]
    for _ in range(3):
        code, said, results = call(tmp_path, *words)
        if code != -signal.SIGKILL:  # the one that the lead died of
            break
    assert code == 1, said
    failed = results.pop("deadly+prompt")
    assert failed["error"]["type"] == "Died" and "the last 2 processes" in failed["error"]["message"]
    assert {method: result["status"] for method, result in results.items()} == {"prompt": "done", "lsr+prompt": "done"}


@pytest.mark.slow
def test_a_run_that_fails_in_another_process_than_the_first_keeps_no_other_from_being_trained(tmp_path):
    words = ["--methods", "prompt+raising,prompt", "--placement", "data"]
    torchrun = (str(Path(sys.executable).parent / "torchrun"), "--nproc_per_node", "2")
    code, said, results = call(tmp_path, *words, launcher=torchrun)
    assert code and not results, said
    _, said, results = call(tmp_path, *words, launcher=torchrun)
    assert results["prompt"]["status"] == "done", said
