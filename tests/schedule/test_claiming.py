"""Claiming: every run is trained once, whoever dies, and a crowd of workers asks little of the store."""

import os
import queue
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from waiting import ONE, RUN, Runner, hold, runs, stored

from harness.errors import Deserted
from harness.files import write_json
from harness.schedule import claiming
from harness.schedule.awaited import WATCHED
from harness.schedule.claiming import Awaited
from harness.schedule.progress import Board
from harness.store import Store, holders, leases


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(claiming, "POLL", 0.01)
    monkeypatch.setattr(claiming, "PACE", 0.0)


def nothing(folder: Path) -> None:
    pass


def test_a_run_that_was_taken_over_is_thrown_away_and_that_is_said(tmp_path, capsys):
    store = Store(tmp_path)

    def taken_over(folder):
        hold(folder)
        threading.Timer(0.2, stored, (store, "done")).start()

    runner, awaited = Runner(taken_over), Awaited(store, [RUN], ONE)
    claiming.claim(runner, awaited, Board(1, 0))
    assert runner.trained == ["run"] and awaited.record(RUN).done
    said = capsys.readouterr().err
    assert "taken over by another process" in said and "FAILED" not in said
    assert leases.held(store.folder("caer", "run")), "the lease is the other's"


def test_a_run_that_nobody_takes_is_stored(tmp_path, capsys):
    runner, awaited = Runner(nothing), Awaited(Store(tmp_path), [RUN], ONE)
    claiming.claim(runner, awaited, Board(1, 0))
    assert awaited.record(RUN).result["status"] == "failed" and "FAILED: E: broken" in capsys.readouterr().err
    assert not leases.held(awaited.folder(RUN))


def test_a_run_that_is_trained_together_and_taken_over_ends_the_call_in_words(tmp_path):
    """The other processes wait for this one: that it goes away is all that reaches them."""
    two = types.SimpleNamespace(num_processes=2)
    runner = Runner(lambda folder: write_json(folder / "lease.json", {"id": "x"}), two)
    with pytest.raises(Deserted, match="taken over"):
        claiming.claim(runner, Awaited(Store(tmp_path), [RUN], ONE), Board(1, 0))


@pytest.mark.parametrize(
    ("error", "deaths"), [(torch.distributed.DistBackendError("reset"), 1), (RuntimeError("mine"), 0)]
)
def test_losing_a_partner_counts_as_a_death_over_the_run(error, deaths, tmp_path):
    def meanwhile(folder):
        raise error

    awaited = Awaited(Store(tmp_path), [RUN], ONE)
    with pytest.raises(type(error)):
        claiming.claim(Runner(meanwhile), awaited, Board(1, 0))
    assert leases.deaths(awaited.folder(RUN)) == deaths


def test_a_run_over_which_two_died_is_told_as_failed_and_the_next_call_tries_it_again(tmp_path, capsys):
    store, runner = Store(tmp_path), Runner(nothing)
    write_json(store.folder("caer", "run") / "spec.json", {})
    dead = {"id": "x", "place": holders.place(), "pid": os.getpid(), "started": "1", "deaths": 1, "reached": ""}
    write_json(store.folder("caer", "run") / "lease.json", dead)
    awaited = Awaited(store, [RUN], ONE)
    claiming.claim(runner, awaited, Board(1, 0))
    found = awaited.record(RUN).result
    assert runner.trained == [] and found["status"] == "failed" and found["error"]["type"] == "Died"
    assert "FAILED: Died: the last 2 processes that trained it died" in capsys.readouterr().err
    again = Awaited(store, [RUN], ONE)
    claiming.claim(runner, again, Board(1, 0))
    assert runner.trained == ["run"] and again.record(RUN).result["error"]["type"] == "E"


@pytest.mark.parametrize("broken", [True, False])
def test_a_process_whose_device_is_broken_stores_the_failure_and_trains_no_other_run(broken, tmp_path, monkeypatch):
    def synchronize(device):
        if broken:
            raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    runner = Runner(nothing, types.SimpleNamespace(num_processes=1, device=torch.device("cuda")))
    both = runs("run", "other")
    awaited = Awaited(Store(tmp_path), both, ONE)
    with pytest.raises(Deserted, match="takes no more work .* since run failed") if broken else nullcontext():
        claiming.claim(runner, awaited, Board(2, 0))
    assert [awaited.ended(run) for run in both] == [True, not broken]
    assert not leases.held(awaited.folder(RUN))


def test_a_result_without_a_spec_is_no_run_that_ended(tmp_path):
    store = Store(tmp_path)
    stored(store, "done")
    (store.folder("caer", "run") / "spec.json").unlink()
    runner, awaited = Runner(nothing), Awaited(store, [RUN], ONE)
    claiming.claim(runner, awaited, Board(1, 0))
    assert runner.trained == ["run"] and awaited.ended(RUN)


# ── a crowd ─────────────────────────────────────────────────────────────────────────────────────────────────


class Told(Board):
    """A board that remembers whose end it was told."""

    def __init__(self, *, silent: bool = False) -> None:
        super().__init__(0, 0, silent=silent)
        self.runs = list[str]()

    def finished(self, result, alarms) -> None:
        self.runs.append(result["run_id"])


@pytest.fixture
def rests(monkeypatch):
    """How long workers rested, and a hook for what happens meanwhile."""
    found = types.SimpleNamespace(seconds=[], meanwhile=lambda: None)

    def rest(self, seconds: float) -> None:
        found.seconds.append(seconds)
        found.meanwhile()

    monkeypatch.setattr(leases.Leases, "rest", rest)
    return found


def test_a_worker_alone_keeps_the_grids_order(tmp_path):
    names, runner = [f"{number:03}" for number in range(50)], Runner(nothing)
    claiming.claim(runner, Awaited(Store(tmp_path), runs(*names), ONE), Board(50, 0))
    assert runner.trained == names


def test_a_crowd_trains_every_run_once_and_who_speaks_tells_of_all(tmp_path):
    names, count = [f"{number:03}" for number in range(60)], 5
    crowd = [
        (Runner(nothing), Awaited(Store(tmp_path), runs(*names), ONE), Told(silent=number == 0))
        for number in range(count)
    ]
    with ThreadPoolExecutor(count) as pool:
        [done.result(60) for done in [pool.submit(claiming.claim, *each) for each in crowd]]
    assert sorted(name for runner, _, _ in crowd for name in runner.trained) == names
    assert [sorted(board.runs) for _, _, board in crowd] == [[]] + (count - 1) * [names]
    assert not any(awaited.waiting for _, awaited, _ in crowd)


def test_what_failed_before_is_trained_again_and_told_once_to_all_who_wait(tmp_path, rests):
    store = Store(tmp_path)
    stored(store, "failed", at=5_000)
    Awaited(store, [RUN], ONE).note(RUN)
    waits, trains = (Awaited(store, [RUN], ONE) for _ in range(2))
    hold(store.folder("caer", "run"))
    board, runner = Told(), Runner(nothing)

    def freed() -> None:
        (store.folder("caer", "run") / "lease.json").unlink(missing_ok=True)
        claiming.claim(runner, trains, Board(1, 0))

    rests.meanwhile = freed
    claiming.claim(Runner(nothing), waits, board)
    assert runner.trained == ["run"] == board.runs and len(rests.seconds) == 1


def test_who_waits_looks_at_few_runs_and_rests_the_longer_the_more_others_hold(tmp_path, rests, monkeypatch):
    monkeypatch.setattr(claiming, "PACE", 0.1)
    store, looked = Store(tmp_path), list[str]()
    awaited = Awaited(store, runs(*(f"{number:03}" for number in range(100))), ONE)
    for run in awaited.runs:
        hold(awaited.folder(run))

    class Counting(leases.Leases):
        def claim(self, folder):
            looked.append(folder.name)
            return super().claim(folder)

    def end() -> None:
        if len(rests.seconds) == 5:
            for run in awaited.runs:
                stored(store, "done", name=run.run_id)
                awaited.note(run)

    monkeypatch.setattr(claiming, "Leases", Counting)
    rests.meanwhile = end
    claiming.claim(Runner(nothing), awaited, Board(100, 0, silent=True))
    assert sorted(looked[:100]) == [run.run_id for run in awaited.runs], "all of them once, since one might be free"
    assert len(looked) == 100 + 4 * WATCHED and len(set(looked[100:])) == WATCHED
    assert rests.seconds == [10.0] * 5


def test_who_leaves_trains_what_is_free_and_does_not_wait_for_others(tmp_path, rests):
    awaited, runner = Awaited(Store(tmp_path), runs("held", "free"), ONE), Runner(nothing)
    hold(awaited.folder(awaited.runs[0]))
    claiming.claim(runner, awaited, Board(2, 0), leaves=True)
    assert runner.trained == ["free"] and list(awaited.waiting) == ["held"] and not rests.seconds


def test_processes_that_train_together_are_told_by_the_first_which_run_is_next(tmp_path, rests, monkeypatch):
    store, said = Store(tmp_path), queue.Queue[list]()
    awaited = Awaited(store, runs("held", "first", "second"), ONE)
    hold(awaited.folder(awaited.runs[0]))
    rests.meanwhile = (awaited.folder(awaited.runs[0]) / "lease.json").unlink

    def broadcast(held: list) -> None:
        if threading.current_thread() is threading.main_thread():
            said.put(list(held))
        else:
            held[:] = said.get(timeout=60)

    class Helper(Runner):
        def execute(self, run, folder, viewer, commit):
            self.trained.append(run.run_id)
            return {"status": "done"}

    monkeypatch.setattr(claiming, "broadcast_object_list", broadcast)
    first, second = (
        kind(nothing, types.SimpleNamespace(num_processes=2, is_main_process=lead, device=torch.device("cpu")))
        for kind, lead in ((Runner, True), (Helper, False))
    )
    with ThreadPoolExecutor(1) as pool:
        helped = pool.submit(claiming.together, second, awaited, Board(3, 0, silent=True))
        claiming.together(first, awaited, board := Told())
        helped.result(60)
    assert first.trained == second.trained == board.runs == ["first", "second", "held"]
