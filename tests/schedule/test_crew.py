"""Workers: their deaths are told, they are made to leave in time, and one more is added while that brings more."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pretended
import pytest

from harness.files import write_lines
from harness.schedule import crew as crewing
from harness.schedule.crew import Crew, Meter, another
from harness.store.leases import Leases


def crew_of(code: str, left: int = 1, **environment: str) -> tuple[Crew, list[str]]:
    """A crew whose workers run this code, and what it says."""
    said: list[str] = []
    return Crew([sys.executable, "-c", code], environment, said.append, lambda: left), said


def wait_for(condition: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# ── deaths ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL (often the answer to too little memory"),
        ("import os; os.abort()", "killed by SIGABRT; the others finish its run"),
        ("raise MemoryError", "ended with exit code 1; the others"),
        ("raise SystemExit(2)", "ended with exit code 2; the others"),
    ],
)
def test_a_worker_that_dies_is_counted_and_it_is_said_how(code: str, how: str) -> None:
    crew, said = crew_of(code)
    with crew:
        crew.add()
        wait_for(lambda: said)
    assert how in said[0] and len(crew.died) == 1 and crew.died[0].startswith("worker 1 ")


@pytest.mark.parametrize("code", [0, 1])
def test_a_worker_that_leaves_when_no_run_is_left_did_not_die(code: int) -> None:
    """1 tells that some runs failed, which is the runs' fault."""
    crew, said = crew_of(f"raise SystemExit({code})", left=0)
    with crew:
        crew.add()
        crew.workers[0].wait()
    assert not said and not crew.died


def test_workers_know_their_number_and_who_started_them(tmp_path: Path) -> None:
    code = (
        "import os; print(*(os.environ[n] for n in ('HARNESS_WORKER', 'HARNESS_LEAD', 'MINE')), file=open({!r}, 'a'))"
    )
    crew, _ = crew_of(code.format(str(tmp_path / "told")), left=0, MINE="x")
    with crew:
        crew.add()
        crew.add()
    assert sorted((tmp_path / "told").read_text().splitlines()) == [f"{n} {os.getpid()} x" for n in (1, 2)]


# ── leaving ─────────────────────────────────────────────────────────────────────────────────────────────────

STUBBORN = "import signal, time; signal.signal(signal.SIGUSR2, signal.SIG_IGN); open({!r}, 'w'); time.sleep(600)"


@pytest.fixture
def up(tmp_path: Path) -> Path:
    """A file that appears when a worker is ready."""
    return tmp_path / "up"


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_workers_that_do_not_leave_are_ended_in_bounded_time(error: Any, up: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(crewing, "GRACE", 0.3)
    monkeypatch.setattr(crewing.signals, "GRACE", 0.3)
    crew, said = crew_of(STUBBORN.format(str(up)))
    crew.add()
    wait_for(up.exists)
    began = time.monotonic()
    with pytest.raises(error) if error else nullcontext(), crew:
        if error:
            raise error
    assert crew.workers[0].wait(5) == -signal.SIGKILL
    assert time.monotonic() - began < 5
    assert not said, "who was made to leave did not die"


def test_on_an_error_workers_are_told_to_leave_at_once(up: Path) -> None:
    crew, said = crew_of(f"import time; open({str(up)!r}, 'w'); time.sleep(600)")
    crew.add()
    wait_for(up.exists)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), crew:
        raise KeyboardInterrupt
    assert crew.workers[0].wait(5) == -signal.SIGUSR2
    assert time.monotonic() - began < crewing.GRACE and not said


def test_workers_are_told_once_when_this_process_is_asked_to_stop_and_while_it_still_saves(
    up: Path, monkeypatch: Any
) -> None:
    code = f"""
import signal, time
told = []
signal.signal(signal.SIGUSR2, lambda *_: told.append(1))
open({str(up)!r}, 'w')
time.sleep(0.5)
while not told:
    time.sleep(0.01)
time.sleep(0.5)
raise SystemExit(40 + len(told))
"""
    crew, said = crew_of(code)
    crew.add()
    wait_for(up.exists)
    monkeypatch.setattr(crewing.signals, "asked", lambda: True)
    assert crew.workers[0].wait(20) == 41
    with pytest.raises(KeyboardInterrupt), crew:
        raise KeyboardInterrupt
    assert not said and not crew.died


# ── how many ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rates", "most", "expected"),
    [
        ([50.0], 8, True),  # nothing to compare with: try
        ([50.0], 1, False),  # no core, run or memory for another
        ([50.0, 98.0], 8, True),
        ([50.0, 98.0], 2, False),
        ([50.0, 55.1], 8, True),
        ([50.0, 54.9], 8, False),
        ([50.0, 40.0], 8, False),
        ([50.0, 90.0, 98.0], 8, False),  # compared with one worker less, not with one alone
    ],
)
def test_another_worker_is_worth_trying_while_the_last_one_brought_a_tenth(rates, most, expected) -> None:
    assert another(rates, most) is expected


@pytest.mark.parametrize(("worth", "most", "expected"), [(1, 8, 2), (2.5, 8, 4), (8, 3, 3)])
def test_a_crew_grows_until_another_worker_brings_nothing(
    worth: float, most: int, expected: int, tmp_path: Path
) -> None:
    for number in range(150):
        (tmp_path / f"{number:03}").mkdir()
    said: list[str] = []
    crew = Crew([sys.executable, pretended.__file__, str(tmp_path), str(worth)], {}, said.append, lambda: 1)
    ended = threading.Event()
    mine = threading.Thread(target=pretended.train, args=(tmp_path, worth, ended))
    with crew:
        mine.start()
        crew.grow(lambda: most, Meter(dict.fromkeys(sorted(tmp_path.iterdir()), 10)), period=0.5)
        assert 1 + len(crew.workers) == expected, said
        ended.set()
        for process in crew.workers:
            process.kill()
    mine.join()
    assert said[0].startswith("worker 2 is tried: ") and "steps/s with 1" in said[0]
    assert any(line.startswith(f"{expected} workers from now on: ") for line in said)


def test_what_lay_in_the_store_before_and_what_nobody_holds_is_not_measured(tmp_path: Path) -> None:
    held, free = tmp_path / "held", tmp_path / "free"
    for folder in (held, free):
        write_lines(folder / "history.jsonl", [{"duration_s": 1.0}])
    meter = Meter({held: 7, free: 7, tmp_path / "todo": 7})
    assert meter.new() == []
    with Leases().claim(held):
        for folder in (held, free):
            write_lines(folder / "history.jsonl", [{"duration_s": 1.0}, {"duration_s": 2.0}])
        assert meter.new() == [(os.getpid(), 7, 2.0)]
        assert meter.new() == []
