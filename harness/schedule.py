"""Who trains what, where: placement, worker processes, and the claiming of runs from the store.

`pair`: every process claims whole runs by lease; a launched process, a local `--workers` process and a process
on another machine do it in the same way. `data`: all launched processes train one run together (DDP).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list

from harness import index, leases, sharing, signals
from harness import launch as launching
from harness.crew import Crew, Meter
from harness.environment import describe
from harness.errors import BadInput, Deserted
from harness.launch import Launch
from harness.leases import Commit, Lease, Leases
from harness.plan import Plan, Run
from harness.progress import Board, Counter, RunBar
from harness.runner import Runner
from harness.store import Record, Store
from harness.words import plural
from harness.writing import Lost, Writer

POLL = 0.5  # seconds between two looks at runs that other workers hold
DEADLY = 2  # processes in a row that a run may kill before it is told as failed
CUDA_CONTEXT = 2**30  # bytes that a process takes of a device beside its tensors


@dataclass
class Outcome:
    """What became of the wanted runs."""

    done: int = 0
    alarmed: dict[str, list[str]] = field(default_factory=dict)  # of those, the runs with errors, and who raised them
    failed: list[dict[str, Any]] = field(default_factory=list)
    died: list[str] = field(default_factory=list)  # workers that did, and how; the others did their work


@dataclass(frozen=True)
class Asked:
    """How the command line asks for the runs to be trained."""

    placement: str = "auto"
    workers: str = "auto"
    on_alarm: str = "warn"
    save_every: float = 60.0  # seconds between two checkpoints of a run


def run(plan: Plan, record: Mapping[str, Any], store: Store, asked: Asked, argv: Sequence[str]) -> Outcome:
    """Trains the plan's wanted runs that are not done and returns once none is left, here or elsewhere.

    `record` is the plan as the store keeps it. It is written when everything has been checked: bad input leaves
    nothing behind.
    """
    launch, todo = launching.here(), plan.todo(store)
    awaited = Awaited(store, todo, launch)
    if launch.worker:
        threading.Thread(target=_leave_with_lead, args=(launch.lead,), daemon=True).start()
    wanted = sum(run.wanted for run in plan.runs)
    board = Board(wanted, wanted - len(todo), silent=not launch.leads)
    placement, why = _placement(plan, asked.placement, launch)
    count, most, why_count = _workers(plan, asked.workers, placement, launch, len(todo), gpu=torch.cuda.is_available())
    if shortfall := launching.shortfall(launch):
        board.say(f"note: {shortfall}")
    runner = None
    if todo:
        begun = sum((store.folder(run.dataset, run.run_id) / "checkpoint").is_dir() for run in todo)
        goes_on = f"; {begun} of them from a checkpoint" if begun else ""
        board.say(f"{len(todo)} of {plural(wanted, 'run')} to train{goes_on}")
        board.say(f"placement {placement}: {why}; {count} worker{'s' * (count > 1)}: {why_count}")
        for name, copy in plan.copies.items():
            for note in copy.scan.notes:
                board.say(f"  {name}: {note.message}" + (f" ({note.count:,} in all)" if note.count > 1 else ""))
        accelerator, counter = launching.accelerator(launch, placement), partial(Counter, board)
        runner = Runner(plan.grid, plan.copies, accelerator, placement, asked.on_alarm, counter, asked.save_every)
        if not launch.worker:  # whoever started a worker has done this already
            _prepare(runner, todo)
        _set_threads(runner, todo, launch, most)
    if launch.leads:
        store.write_plan(plan.grid.name, record)
    outcome = Outcome()
    if runner is not None:
        folder = str(Path(__file__).parent)  # not `-m`, which takes modules from wherever the user stands
        command, told = [sys.executable, folder, *argv], {launching.SINCE: str(awaited.since)}
        with Crew(command, told, board.say, awaited.left) as crew:
            for _ in range(count - 1):
                crew.add()
            if most > count:
                threading.Thread(target=_grow, args=(crew, runner, awaited, most), daemon=True).start()
            if placement == "data":
                with sharing.partners():
                    _together(runner, awaited, board)
            else:
                _claim(runner, awaited, board)
        outcome.died = crew.died
    board.close()
    return _outcome(plan, store, outcome)


class Awaited:
    """The runs that a call waits for, and which of them have ended: failures of an earlier call are tried again.

    They are tried last, with the runs whose processes died: what ends a process must not keep the others from theirs.
    To a worker the earlier calls are those before its starter's, so that what fails while it loads is not tried twice.
    """

    def __init__(self, store: Store, runs: list[Run], launch: Launch) -> None:
        self.store, self.launch = store, launch
        self._failed = {run.run_id: self._failed_before(run) for run in runs}
        self.runs = sorted(runs, key=lambda run: (leases.deaths(self.folder(run)), self._failed[run.run_id]))

    @property
    def since(self) -> int:
        """Results that are written later than this (ns) are of this call, or of another that goes on beside it."""
        return max(self._failed.values(), default=0)

    def folder(self, run: Run) -> Path:
        return self.store.folder(run.dataset, run.run_id)

    def ended(self, run: Run) -> bool:
        return self._written(run) not in (0, self._failed[run.run_id])

    def record(self, run: Run) -> Record | None:
        """The stored run, if it has ended."""
        return self.store.record(run.dataset, run.run_id) if self.ended(run) else None

    def left(self) -> int:
        """How many runs have not ended."""
        return sum(not self.ended(run) for run in self.runs)

    def _written(self, run: Run) -> int:
        """When the run's result was written (ns), 0 when there is none."""
        result, spec = self.folder(run) / "result.json", self.folder(run) / "spec.json"
        return result.stat().st_mtime_ns if result.exists() and spec.exists() else 0

    def _failed_before(self, run: Run) -> int:
        """When a failure of an earlier call was written (ns), 0 when there is none."""
        written = self._written(run)
        if not written or (self.launch.worker and written > self.launch.since):
            return 0
        record = self.store.record(run.dataset, run.run_id)
        return 0 if record and record.done else written  # done by another call since this one looked


def _placement(plan: Plan, asked: str, launch: Launch) -> tuple[str, str]:
    if asked != "auto":
        return asked, "as asked"
    if launch.world == 1:
        return "pair", "one process"
    if plan.grid.sections["model"].trunk == "trainable":
        return "data", "the trunk trains, so a run fills all devices"
    return "pair", "the trunk is frozen, so runs are small: each process trains its own"


def _workers(plan: Plan, asked: str, placement: str, launch: Launch, todo: int, *, gpu: bool) -> tuple[int, int, str]:
    """How many processes on this machine claim runs for this launched one, itself included, at first and at most."""
    if placement == "data" and asked not in ("auto", "1"):
        what = f"{asked} workers, but in data placement all launched processes share each run"
        raise BadInput("--workers", what, "drop --workers, or use --placement pair")
    if placement == "data" or launch.worker:
        return 1, 1, "all processes share each run" if placement == "data" else "a worker"
    if asked != "auto":
        return int(asked), int(asked), "as asked"
    if launch.world > 1 and not gpu:
        return 1, 1, "one for each launched process"
    if plan.grid.sections["model"].trunk == "trainable":
        return 1, 1, f"the trunk trains, so one run uses {'its device' if gpu else 'all cores'}"
    cores = len(os.sched_getaffinity(0)) // launch.local_world
    most = max(min(cores, todo), 1)
    if gpu:
        return 1, most, "to begin with, and another as long as the last one brought a tenth more"
    return most, most, f"{cores} cores, no GPU"


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


def _leave_with_lead(lead: int) -> None:
    """A worker whose starter is gone must not train on unseen: it saves its run and leaves, or is made to."""
    while os.getppid() == lead:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(signals.GRACE + 5)
    os._exit(3)


def _grow(crew: Crew, runner: Runner, awaited: Awaited, most: int) -> None:
    """Packs the device: one more worker at a time, if there is memory for another process like this one."""

    def room() -> int:
        free, _ = torch.cuda.mem_get_info()
        fitting = free // (torch.cuda.max_memory_reserved() + CUDA_CONTEXT)
        return min(most, awaited.left(), 1 + len(crew.workers) + fitting)

    crew.grow(room, Meter({awaited.folder(run): runner.steps(run) for run in awaited.runs}))


def _claim(runner: Runner, awaited: Awaited, board: Board) -> None:
    """Claims and trains runs until every one has ended here or in another worker."""
    waiting, claims = list(awaited.runs), Leases()
    while waiting:
        before = len(waiting)
        for run in list(waiting):
            if not awaited.ended(run):
                with claims.claim(awaited.folder(run)) as lease:
                    if _trainable(runner, run, awaited, lease):
                        _execute(runner, run, awaited.folder(run), board, lease)
            if (record := awaited.record(run)) is not None:
                waiting.remove(run)
                board.finished(record.result, record.alarms())
        if len(waiting) == before:
            time.sleep(POLL)


def _together(runner: Runner, awaited: Awaited, board: Board) -> None:
    """All processes train one run after the other; the first one decides and claims for all.

    Others look at the store at other moments, so they are told what is left instead of looking themselves. A run
    that another job holds is waited for.
    """
    leads, claims = runner.accelerator.is_main_process, Leases()
    known = {run.run_id: run for run in awaited.runs}
    waiting = _told_by_first(list(known))
    while waiting:
        before = len(waiting)
        for run in [known[run_id] for run_id in waiting]:
            folder = awaited.folder(run)
            with claims.claim(folder) if leads else nullcontext() as lease:
                if _told_by_first(leads and _trainable(runner, run, awaited, lease)):
                    _execute(runner, run, folder, board, lease)
            record = awaited.record(run) if leads else None
            if record is not None:
                board.finished(record.result, record.alarms())
            if _told_by_first(record is not None):
                waiting.remove(run.run_id)
        if len(waiting) == before:
            time.sleep(POLL)


def _trainable(runner: Runner, run: Run, awaited: Awaited, lease: Lease | None) -> bool:
    """Whether this process is to train a run: it holds it, and the run neither has ended nor ends who trains it."""
    if lease is None or awaited.ended(run):
        return False
    if lease.deaths >= DEADLY:
        with suppress(Lost):  # then another process tells it
            _died(runner, run, awaited.folder(run), lease)
    return lease.deaths < DEADLY


def _died(runner: Runner, run: Run, folder: Path, lease: Lease) -> None:
    """Stores the failure of a run whose processes could not: its checkpoints stay for the next call."""
    what = f"the last {lease.deaths} processes that trained it died, or lost a partner, before another checkpoint"
    mend = "look for a crash or too little memory in the system's log; try fewer --workers or smaller batches"
    writer = Writer(folder, lease.commit, writes=True)
    writer.begin(run.spec, describe(runner.accelerator, runner.placement))
    result = {
        "run_id": run.run_id,
        "dataset": run.dataset,
        "fold": run.fold,
        "method": str(run.method),
        "seed": run.seed,
        "selection": runner.grid.sections["train"].selection,
        "alarms": 0,
        "errors": 0,
        "status": "failed",
        "error": {"type": "Died", "message": f"{what} — {mend}"},
    }
    writer.end(result, [], None)


def _told_by_first(value: Any) -> Any:
    """What the first process says, in all of them."""
    held = [value]
    broadcast_object_list(held)
    return held[0]


def _execute(runner: Runner, run: Run, folder: Path, board: Board, lease: Lease | None) -> None:
    """Trains a run that this process holds, or, without a lease, helps the process that does.

    Raises `Deserted` when this process can't go on after it.
    """
    viewer = RunBar(board, run, runner.steps(run), runner.grid.sections["train"].epochs)
    commit: Commit = lease.commit if lease else lambda: nullcontext(True)
    try:
        with signals.patiently(), _blamed(lease):
            result = runner.execute(run, folder, viewer, commit)
        if result["status"] == "failed" and not _usable(runner.accelerator.device):
            raise Deserted(f"the GPU takes no more work of this process since {run.run_id} failed on it")
    except Lost as error:
        if runner.accelerator.num_processes > 1:  # the others wait for this one: end them all
            raise Deserted("the run was taken over by another process") from error
        viewer.note("taken over by another process while this one stood still; what it trained is thrown away")
    finally:
        viewer.close()


@contextmanager
def _blamed(lease: Lease | None) -> Iterator[None]:
    """A partner that goes away meanwhile counts as a death over the run, which may be why it did."""
    try:
        yield
    except Exception as error:
        if lease and sharing.gone(error):
            lease.leave()
        raise


def _usable(device: torch.device) -> bool:
    """Whether a device still takes work of this process: after a bad access or a failed assert CUDA refuses all."""
    if device.type == "cuda":
        try:
            torch.cuda.synchronize(device)
        except RuntimeError:
            return False
    return True


def _outcome(plan: Plan, store: Store, outcome: Outcome) -> Outcome:
    told = {name: settings.severity for name, settings in plan.grid.sentinels.items() if settings.severity}
    entries = index.entries(store)
    for run in plan.runs:
        entry = entries.get((run.dataset, run.run_id)) if run.wanted else None
        if entry and entry.done:
            outcome.done += 1
            if errors := entry.wrong(told):  # by the severities of this call: one may be off by now
                outcome.alarmed[run.run_id] = errors
        elif entry and entry.status == "failed" and (record := store.record(run.dataset, run.run_id)):
            outcome.failed.append(record.result)
    return outcome
