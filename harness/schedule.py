"""Who trains what, where: placement, worker processes, and the claiming of runs from the store.

`pair`: every process claims whole runs by lease; a launched process, a local `--workers` process and a process
on another machine do it in the same way. `data`: all launched processes train one run together (DDP).
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from accelerate.utils import broadcast_object_list

from harness import launch as launching
from harness.errors import BadInput
from harness.launch import Launch
from harness.plan import Plan, Run
from harness.progress import Board, Counter, RunBar
from harness.runner import Runner
from harness.store import Record, Store

POLL = 0.5  # seconds between two looks at runs that other workers hold


@dataclass
class Outcome:
    """What became of the wanted runs."""

    done: int = 0
    alarmed: dict[str, list[str]] = field(default_factory=dict)  # of those, the runs with errors, and who raised them
    failed: list[dict[str, Any]] = field(default_factory=list)


def run(
    plan: Plan,
    record: Mapping[str, Any],
    store: Store,
    placement: str,
    workers: str,
    on_alarm: str,
    argv: Sequence[str],
) -> Outcome:
    """Trains the plan's wanted runs that are not done and returns once none is left, here or elsewhere.

    `record` is the plan as the store keeps it. It is written when everything has been checked: bad input leaves
    nothing behind.
    """
    launch, todo = launching.here(), plan.todo(store)
    if launch.worker:
        threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    wanted = sum(run.wanted for run in plan.runs)
    board = Board(wanted, wanted - len(todo), silent=not launch.leads)
    placement, why = _placement(plan, placement, launch)
    count, why_count = _workers(plan, workers, placement, launch, len(todo))
    if shortfall := launching.shortfall(launch):
        board.say(f"note: {shortfall}")
    runner = None
    if todo:
        board.say(f"{len(todo)} of {wanted} runs to train")
        board.say(f"placement {placement}: {why}; {count} worker{'s' * (count > 1)}: {why_count}")
        for name, copy in plan.copies.items():
            for note in copy.scan.notes:
                board.say(f"  {name}: {note.message}" + (f" ({note.count:,} in all)" if note.count > 1 else ""))
        accelerator, counter = launching.accelerator(launch, placement), partial(Counter, board)
        runner = Runner(plan.grid, plan.copies, accelerator, placement, on_alarm, counter)
        if not launch.worker:  # whoever started a worker has done this already
            _prepare(runner, todo)
        _set_threads(runner, todo, launch, count)
    if launch.leads:
        store.write_plan(plan.grid.name, record)
    if runner is not None:
        with _worker_processes(count if launch.worker == 0 else 1, argv):
            _together(runner, todo, store, board) if placement == "data" else _claim(runner, todo, store, board)
    board.close()
    return _outcome(plan, store)


def _placement(plan: Plan, asked: str, launch: Launch) -> tuple[str, str]:
    if asked != "auto":
        return asked, "as asked"
    if launch.world == 1:
        return "pair", "one process"
    if plan.grid.sections["model"].trunk == "trainable":
        return "data", "the trunk trains, so a run fills all devices"
    return "pair", "the trunk is frozen, so runs are small: each process trains its own"


def _workers(plan: Plan, asked: str, placement: str, launch: Launch, todo: int) -> tuple[int, str]:
    """How many processes on this machine claim runs for this launched one, itself included."""
    if placement == "data" and asked not in ("auto", "1"):
        what = f"{asked} workers, but in data placement all launched processes share each run"
        raise BadInput("--workers", what, "drop --workers, or use --placement pair")
    if placement == "data" or launch.worker:
        return 1, "all processes share each run" if placement == "data" else "a worker"
    if asked != "auto":
        return int(asked), "as asked"
    if torch.cuda.is_available() or launch.world > 1:
        return 1, "one for each launched process"
    if plan.grid.sections["model"].trunk == "trainable":
        return 1, "the trunk trains, so one run uses all cores"
    cores = len(os.sched_getaffinity(0))
    return max(min(cores, todo), 1), f"{cores} cores, no GPU"


def _set_threads(runner: Runner, todo: list[Run], launch: Launch, workers: int) -> None:
    """On a CPU machine the processes share its cores, and a head on cached features trains on one thread.

    Such a head gains nothing from a second thread, is many times slower with it when the core is busy, and its
    numbers would depend on the number of workers.
    """
    siblings = int(os.environ.setdefault("HARNESS_WORKERS", str(workers)))
    share = max(len(os.sched_getaffinity(0)) // (siblings * launch.local_world), 1)
    torch.set_num_threads(1 if all(runner.cached(run) for run in todo) else share)


def _prepare(runner: Runner, todo: list[Run]) -> None:
    """Every method built and every clip read once (into the feature cache), before anybody trains."""
    for run in {(run.copy, run.method): run for run in todo}.values():
        runner.check(run)
    for copy, cached in dict.fromkeys((run.copy, runner.cached(run)) for run in todo):
        runner.prepare(copy, cached=cached)


@contextmanager
def _worker_processes(count: int, argv: Sequence[str]) -> Iterator[None]:
    """`count` − 1 further processes of the same command that claim runs until none is left."""
    started: list[subprocess.Popen] = []
    try:
        for number in range(1, count):
            environment = {**os.environ, launching.WORKER: str(number)}
            command = [sys.executable, "-m", "harness", *argv]
            started.append(subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL))
        yield
        for process in started:
            process.wait()
    finally:
        for process in started:
            if process.poll() is None:
                process.terminate()


def _end_with_parent(parent: int) -> None:
    """A worker whose starter was killed must not train on unseen; its lease is free as soon as it is gone."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(3)


def _claim(runner: Runner, todo: list[Run], store: Store, board: Board) -> None:
    """Claims and trains runs until every one has ended here or in another worker."""
    began = {run.run_id: _ended(store, run) for run in todo}  # failures of an earlier call are tried again
    waiting = list(todo)
    while waiting:
        before = len(waiting)
        for run in list(waiting):
            if _fresh(store, run, began) is None:
                with store.lease(run.dataset, run.run_id) as mine:
                    if mine and _fresh(store, run, began) is None:
                        _execute(runner, run, store, board)
            if (record := _fresh(store, run, began)) is not None:
                waiting.remove(run)
                board.finished(record.result, record.alarms())
        if len(waiting) == before:
            time.sleep(POLL)


def _ended(store: Store, run: Run) -> int:
    """When the run's result was written (ns), 0 when there is none."""
    path = store.folder(run.dataset, run.run_id) / "result.json"
    return path.stat().st_mtime_ns if path.exists() else 0


def _fresh(store: Store, run: Run, began: dict[str, int]) -> Record | None:
    """The stored run if its result was written since this call began."""
    return None if _ended(store, run) == began[run.run_id] else store.record(run.dataset, run.run_id)


def _together(runner: Runner, todo: list[Run], store: Store, board: Board) -> None:
    """All processes train one run after the other; the first one decides and claims for all.

    Others look at the store at other moments, so they are told what is left instead of looking themselves. A run
    that another job holds is waited for.
    """
    leads, known = runner.accelerator.is_main_process, {run.run_id: run for run in todo}
    began = {run.run_id: _ended(store, run) for run in todo}
    waiting = _told_by_first([run.run_id for run in todo])
    while waiting:
        before = len(waiting)
        for run in [known[run_id] for run_id in waiting]:
            with store.lease(run.dataset, run.run_id) if leads else nullcontext(False) as mine:
                if _told_by_first(mine and _fresh(store, run, began) is None):
                    _execute(runner, run, store, board)
            record = _fresh(store, run, began) if leads else None
            if record is not None:
                board.finished(record.result, record.alarms())
            if _told_by_first(record is not None):
                waiting.remove(run.run_id)
        if len(waiting) == before:
            time.sleep(POLL)


def _told_by_first(value: Any) -> Any:
    """What the first process says, in all of them."""
    held = [value]
    broadcast_object_list(held)
    return held[0]


def _execute(runner: Runner, run: Run, store: Store, board: Board) -> dict[str, Any]:
    viewer = RunBar(board, run, runner.steps(run), runner.grid.sections["train"].epochs)
    try:
        return runner.execute(run, store.folder(run.dataset, run.run_id), viewer)
    finally:
        viewer.close()


def _outcome(plan: Plan, store: Store) -> Outcome:
    outcome = Outcome()
    told = {name: settings.severity for name, settings in plan.grid.sentinels.items() if settings.severity}
    for run in plan.runs:
        record = store.record(run.dataset, run.run_id) if run.wanted else None
        if record and record.done:
            outcome.done += 1
            if errors := record.errors(told):  # by the severities of this call: one may be off by now
                outcome.alarmed[run.run_id] = errors
        elif record and record.result.get("status") == "failed":
            outcome.failed.append(record.result)
    return outcome
