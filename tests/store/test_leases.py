"""Leases: a run has one living holder, a dead one frees it, and nobody stores what is no longer theirs."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import filelock
import pytest

from harness.errors import BadInput
from harness.store import holders
from harness.store import leases as leasing
from harness.store.leases import Leases, deaths, held, holder

forked = multiprocessing.get_context("fork")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "caer" / "run"


def started(task: Any, *arguments: Any) -> Any:
    process = forked.Process(target=task, args=arguments)
    process.start()
    return process


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(leasing.time, "monotonic", clock)
    return clock


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life are frequent, so that a silent holder is taken over within a second."""
    monkeypatch.setattr(leasing, "HEARTBEAT", 0.1)
    monkeypatch.setattr(leasing, "STALE", 0.6)


def write(folder: Path, **lease: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lease.json").write_text(json.dumps(lease))


def elsewhere(folder: Path) -> None:
    """A lease of a process on another machine."""
    write(folder, id="x", place="another machine", pid=1, started="1")


def claimed(leases: Leases, folder: Path) -> bool:
    with leases.claim(folder) as lease:
        return lease is not None


def claimed_within(leases: Leases, folder: Path, clock: Clock, seconds: float) -> bool:
    """Whether an observer that looks once a second gets the lease in that time."""
    end = clock.now + seconds
    while not claimed(leases, folder):
        clock.now += 1
        if clock.now > end:
            return False
    return True


# ── one holder ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_lease_is_held_by_one_and_free_again_afterwards(folder: Path) -> None:
    with Leases().claim(folder) as lease:
        assert lease and held(folder) and holder(folder) == os.getpid()
        assert not claimed(Leases(), folder)
        assert held(folder), "who was refused must not free it"
        assert claimed(Leases(), folder.with_name("other"))
        with lease.commit() as mine:
            assert mine
    assert not held(folder) and holder(folder) is None
    assert claimed(Leases(), folder)
    assert not list(folder.iterdir()), "nothing is left in the run's folder"


def test_looking_makes_nothing(folder: Path) -> None:
    assert not held(folder) and holder(folder) is None
    assert not folder.parent.exists()


def test_an_error_frees_the_lease(folder: Path) -> None:
    with pytest.raises(RuntimeError), Leases().claim(folder):
        raise RuntimeError
    assert not held(folder)


@pytest.mark.parametrize("before", ["nothing", "a dead lease"])
def test_of_many_threads_exactly_one_holds_the_lease(before: str, folder: Path) -> None:
    for attempt in range(10):
        here, claims = folder / str(attempt), list[bool]()
        if before == "a dead lease":
            write(here, **{**holders.this_process(), "id": "x", "started": "1"})
        start, finish = threading.Barrier(8), threading.Barrier(8)

        def claim(here: Path = here, start=start, finish=finish, claims: list[bool] = claims) -> None:
            start.wait()
            with Leases().claim(here) as lease:
                claims.append(lease is not None)
                finish.wait()

        with ThreadPoolExecutor(8) as pool:
            [future.result() for future in [pool.submit(claim) for _ in range(8)]]
        assert sorted(claims) == [False] * 7 + [True]


def test_a_lease_that_this_machine_does_not_see_yet_is_not_written_over(folder: Path, monkeypatch: Any) -> None:
    """A client of NFS may say for a while that there is no file, because there was none."""
    elsewhere(folder)
    before = (folder / "lease.json").read_text()
    with monkeypatch.context() as late:
        late.setattr(leasing, "_look", lambda path: None)
        assert not claimed(Leases(), folder)
    assert (folder / "lease.json").read_text() == before and held(folder)


# ── a holder that is gone ───────────────────────────────────────────────────────────────────────────────────


def hold(folder: Path, pipe: Any) -> None:
    with Leases().claim(folder) as lease:
        pipe.send(lease is not None)
        pipe.poll(60)
        with lease.commit() as mine:
            pipe.send((mine, lease.lost))


@pytest.fixture
def other(folder: Path) -> Iterator[tuple[Any, Any]]:
    """Another process that holds the lease until it is told to commit, and its pipe."""
    ours, theirs = forked.Pipe()
    process = started(hold, folder, theirs)
    assert ours.poll(30) and ours.recv()
    yield process, ours
    process.kill()
    process.join()


def test_a_living_process_keeps_its_lease(quick: None, folder: Path, other: Any) -> None:
    leases, until = Leases(), time.monotonic() + 2 * leasing.STALE
    while time.monotonic() < until:
        assert not claimed(leases, folder)
        time.sleep(0.01)
    assert holder(folder) == other[0].pid


def test_a_killed_process_frees_its_lease_at_once_even_before_anybody_waited_for_it(folder: Path, other: Any) -> None:
    process, _ = other
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is still in the table
    os.kill(process.pid, 0)
    assert not held(folder) and holder(folder) is None
    with Leases().claim(folder) as lease:
        assert lease and holder(folder) == os.getpid()


def test_a_process_number_that_was_given_to_another_does_not_keep_a_lease(folder: Path) -> None:
    mine = {"id": "x", **holders.this_process()}
    write(folder, **mine)
    assert held(folder)
    write(folder, **{**mine, "started": "1"})
    assert not held(folder) and claimed(Leases(), folder)


@pytest.mark.parametrize("differs", ["host", "start of the machine", "container"])
def test_a_process_number_means_nothing_elsewhere(differs: str, folder: Path, clock: Clock, monkeypatch: Any) -> None:
    """Two machines, or two containers of one, may share host names and process numbers."""
    host, boot, container = holders.place().split(" ")
    assert boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip() and container.startswith("pid:[")
    if differs == "host":
        monkeypatch.setattr(holders.socket, "gethostname", lambda: "other")
        place = f"{host} {boot} {container}"
    else:
        place = f"{host} other {container}" if differs == "start of the machine" else f"{host} {boot} pid:[1]"
    write(folder, id="x", place=place, pid=99_999_999, started="1")  # no such process here
    assert held(folder) and holder(folder) is None
    assert not claimed_within(Leases(), folder, clock, leasing.STALE - 1)
    assert claimed_within(Leases(), folder, clock, leasing.STALE + 2)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": 5}', '{"pid": "x"}', "\xff"])
def test_a_lease_that_can_not_be_read_counts_until_it_is_silent(content: str, folder: Path, clock: Clock) -> None:
    folder.mkdir(parents=True)
    (folder / "lease.json").write_text(content, encoding="latin-1")
    assert held(folder) and holder(folder) is None
    leases = Leases()
    assert not claimed_within(leases, folder, clock, leasing.STALE - 1)
    assert claimed_within(leases, folder, clock, 3)


# ── runs that kill ──────────────────────────────────────────────────────────────────────────────────────────


def die(folder: Path, seen: Any, checkpoint: str) -> None:
    with Leases().claim(folder) as lease:
        if checkpoint:
            (folder / "checkpoint" / checkpoint).mkdir(parents=True, exist_ok=True)
        seen.send(lease.deaths)
        os.kill(os.getpid(), signal.SIGKILL)


def deaths_seen(folder: Path, *checkpoints: str) -> list[int]:
    """What holders that die one after the other are told, each of which gets as far as that checkpoint."""
    ours, theirs = forked.Pipe()
    for checkpoint in checkpoints:
        started(die, folder, theirs, checkpoint).join()
    return [ours.recv() for _ in checkpoints]


def test_deaths_in_a_row_are_counted(folder: Path) -> None:
    assert deaths(folder) == 0
    assert deaths_seen(folder, "", "", "") == [0, 1, 2]
    assert deaths(folder) == 3


def test_who_gets_further_before_it_dies_ends_the_row(folder: Path) -> None:
    assert deaths_seen(folder, "", "", "00000-0000004", "00000-0000004", "00001-0000002") == [0, 1, 2, 0, 1]
    assert deaths(folder) == 0


def test_who_frees_the_lease_ends_the_row(folder: Path) -> None:
    deaths_seen(folder, "", "")
    assert claimed(Leases(), folder)
    assert deaths_seen(folder, "") == [0]


def test_who_leaves_the_lease_behind_counts_as_dead_and_keeps_it_until_it_ends(folder: Path) -> None:
    with Leases().claim(folder) as lease:
        lease.leave()
    assert held(folder) and not claimed(Leases(), folder) and deaths(folder) == 1


def test_a_holder_that_fell_silent_counts_as_dead(folder: Path, clock: Clock) -> None:
    write(folder, id="x", place="another machine", pid=1, started="1", deaths=1, reached="")
    leases = Leases()
    assert not claimed(leases, folder)
    clock.now += 1
    for _ in range(100):
        with leases.claim(folder) as lease:
            if lease:
                assert lease.deaths == 2
                return
        clock.now += 1
    raise AssertionError("nobody took it over")


# ── clocks ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("shift", [-1e8, -3600, 3600, 1e8])
def test_neither_clocks_that_differ_nor_clocks_that_jump_matter(
    shift: float, folder: Path, clock: Clock, monkeypatch: Any
) -> None:
    wall = time.time()
    monkeypatch.setattr(leasing.time, "time", lambda: wall + shift)
    elsewhere(folder)
    os.utime(folder / "lease.json", (wall + 2 * shift, wall + 2 * shift))
    leases = Leases()
    assert not claimed_within(leases, folder, clock, leasing.STALE - 1)
    for beat in range(10):  # signs of life of a holder whose clock is wrong and set again and again
        moment = wall + (-1) ** beat * shift + beat
        os.utime(folder / "lease.json", (moment, moment))
        assert not claimed_within(leases, folder, clock, leasing.STALE - 1)
    assert claimed_within(leases, folder, clock, 3)


def test_who_was_suspended_together_with_the_holder_gives_it_time_for_a_sign_of_life(
    folder: Path, clock: Clock
) -> None:
    elsewhere(folder)
    leases = Leases()
    assert not claimed(leases, folder)
    clock.now += 3600
    assert not claimed(leases, folder)
    assert claimed_within(leases, folder, clock, leasing.STALE)


def test_who_rests_between_two_looks_was_awake_and_takes_over_what_was_silent_meanwhile(
    folder: Path, clock: Clock, monkeypatch: Any
) -> None:
    slept = list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.now += seconds

    monkeypatch.setattr(leasing.time, "sleep", sleep)
    elsewhere(folder)
    leases = Leases()
    assert not claimed(leases, folder)
    leases.rest(leasing.STALE + 1)
    assert max(slept) <= leasing.HEARTBEAT and sum(slept) == leasing.STALE + 1
    assert claimed(leases, folder)


def test_looks_at_other_leases_show_that_the_observer_was_awake(folder: Path, clock: Clock) -> None:
    elsewhere(folder)
    elsewhere(folder.with_name("other"))
    leases = Leases()
    assert not claimed(leases, folder)
    assert not claimed_within(leases, folder.with_name("other"), clock, leasing.STALE - 1)
    clock.now += 2
    assert claimed(leases, folder)


# ── a holder that was silent for long ───────────────────────────────────────────────────────────────────────


def wait_for(condition: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_suspended_holder_loses_its_lease_and_learns_it(quick: None, folder: Path, other: Any) -> None:
    process, pipe = other
    os.kill(process.pid, signal.SIGSTOP)
    leases, stack = Leases(), ExitStack()
    wait_for(lambda: stack.enter_context(leases.claim(folder)) is not None)
    with stack:
        os.kill(process.pid, signal.SIGCONT)
        pipe.send("commit")
        assert pipe.poll(20) and pipe.recv() == (False, True), "what it trained must not be stored"
        process.join()
        assert holder(folder) == os.getpid(), "nor may it free the lease of its successor"
    assert not held(folder)


def test_a_heartbeat_tells_a_holder_that_it_lost_the_lease(quick: None, folder: Path) -> None:
    with Leases().claim(folder) as lease:
        assert not lease.lost
        elsewhere(folder)
        wait_for(lambda: lease.lost)
    assert held(folder)


def test_a_run_whose_folder_was_deleted_is_lost(folder: Path) -> None:
    with Leases().claim(folder) as lease:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        with lease.commit() as mine:
            assert not mine and lease.lost


def test_heartbeats_outlive_a_file_system_that_hiccups(quick: None, folder: Path, monkeypatch: Any) -> None:
    failures, real = list[str](), os.utime

    def hiccup(path: Any, *rest: Any) -> None:
        if len(failures) < 3:
            failures.append(str(path))
            raise OSError(errno.EIO, "input/output error")
        real(path, *rest)

    with Leases().claim(folder) as lease:
        monkeypatch.setattr(leasing.os, "utime", hiccup)
        before = (folder / "lease.json").stat().st_mtime_ns
        wait_for(lambda: (folder / "lease.json").stat().st_mtime_ns != before)
        assert len(failures) == 3 and not lease.lost


def commit_slowly(folder: Path, pipe: Any) -> None:
    with Leases().claim(folder) as lease, lease.commit() as mine:
        pipe.send(mine)
        pipe.poll(60)
        (folder / "result").write_text("by the first")


def test_nobody_takes_over_between_the_question_and_the_commit(quick: None, folder: Path) -> None:
    ours, theirs = forked.Pipe()
    process = started(commit_slowly, folder, theirs)
    try:
        assert ours.poll(30) and ours.recv()
        os.kill(process.pid, signal.SIGSTOP)
        leases, until = Leases(), time.monotonic() + 3 * leasing.STALE
        while time.monotonic() < until:
            assert not claimed(leases, folder)
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGCONT)
        ours.send("go on")
        process.join()
    finally:
        process.kill()
    assert (folder / "result").read_text() == "by the first" and not held(folder)


# ── locks ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_that_locks_no_files_is_bad_input(code: int, folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("fcntl.flock", lambda *_: (_ for _ in ()).throw(OSError(code, os.strerror(code))))
    with pytest.raises(BadInput, match="locks no files .* give --runs on another one"), Leases().claim(folder):
        pass


def test_where_flock_is_missing_existence_locks(folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("fcntl.flock", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSYS, "no flock")))
    with warnings.catch_warnings(record=True) as told, Leases().claim(folder) as lease:
        assert lease and not claimed(Leases(), folder)
        with lease.commit() as mine:
            assert mine and not claimed(Leases(), folder)
    assert not held(folder) and "SoftFileLock" in str(told[0].message)


@pytest.mark.parametrize("before", ["nothing", "a silent lease"])
def test_a_lock_that_is_never_given_back_is_named(before: str, folder: Path, clock: Clock) -> None:
    assert claimed(Leases(), folder)
    if before == "a silent lease":
        elsewhere(folder)
    lock = next(folder.parent.glob(".locks/*"))
    with filelock.FileLock(lock), pytest.raises(BadInput, match=rf"{lock}: has been locked for"):
        claimed_within(Leases(), folder, clock, 2 * leasing.PATIENCE)


def test_a_lock_that_is_held_now_and_then_is_no_lock_that_is_never_given_back(folder: Path, clock: Clock) -> None:
    assert claimed(Leases(), folder)
    lock, leases = next(folder.parent.glob(".locks/*")), Leases()
    with filelock.FileLock(lock):
        assert not claimed(leases, folder)
    elsewhere(folder)
    for beat in range(int(leasing.PATIENCE)):  # a holder that gives signs of life meanwhile
        os.utime(folder / "lease.json", (beat, beat))
        clock.now += leasing.HEARTBEAT
        assert not claimed(leases, folder)
    (folder / "lease.json").unlink()
    with filelock.FileLock(lock):
        assert not claimed(leases, folder)
    assert claimed(leases, folder)


# ── a crowd ─────────────────────────────────────────────────────────────────────────────────────────────────


def work(folders: list[Path]) -> None:
    """Does every run that is not done, as the scheduler does; a run is done by one write of a line."""
    leases, rng = Leases(), random.Random()
    waiting = list(folders)
    while waiting:
        for folder in list(waiting):
            log = folder / "commits"
            if not commits(folder):
                with leases.claim(folder) as lease:
                    if lease and not commits(folder):
                        time.sleep(rng.uniform(0, 0.2))
                        with lease.commit() as mine, log.open("ab", buffering=0) as file:
                            if mine:
                                file.write(f"{os.getpid()}\n".encode())
                        time.sleep(rng.choice([0, 0, 0.01]))
            if commits(folder):
                waiting.remove(folder)
        time.sleep(0.01)


def commits(folder: Path) -> int:
    path = folder / "commits"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_a_crowd_that_is_killed_and_suspended_at_random_does_every_run_exactly_once(
    quick: None, tmp_path: Path
) -> None:
    folders, rng, killed = [tmp_path / f"{number:03}" for number in range(400)], random.Random(0), 0
    crowd, suspended = [started(work, folders) for _ in range(8)], []
    try:
        while sum(map(commits, folders)) < len(folders):
            time.sleep(rng.uniform(0, 0.1))
            victim = crowd.pop(rng.randrange(len(crowd)))
            if killed % 4 == 2 and len(suspended) <= killed // 4:  # for longer than an observer waits
                os.kill(victim.pid, signal.SIGSTOP)
                suspended.append(victim)
                threading.Timer(3.0, os.kill, (victim.pid, signal.SIGCONT)).start()
            else:
                victim.kill()
                victim.join()
                killed += 1
            crowd.append(started(work, folders))
        for process in crowd + suspended:
            process.join(30)
            assert process.exitcode == 0
    finally:
        for process in crowd + suspended:
            process.kill()
    assert killed >= 4 and suspended, "too few for the test to mean anything"
    assert [commits(folder) for folder in folders] == [1] * len(folders)
    assert not any(held(folder) for folder in folders)
