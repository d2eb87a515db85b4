"""The claiming of runs from the store: whoever holds a run's lease trains it, and all wait until every run has ended.

A launched process, a local `--workers` process and a process on another machine claim in the same way.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list

from harness import leases, sharing, signals
from harness.environment import describe
from harness.errors import Deserted
from harness.launch import Launch
from harness.leases import Commit, Lease, Leases
from harness.plan import Run
from harness.progress import Board, RunBar
from harness.runner import Runner
from harness.store import Record, Store
from harness.writing import Lost, Writer

POLL = 0.5  # seconds between two looks at runs that other workers hold
DEADLY = 2  # processes in a row that a run may kill before it is told as failed


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


def claim(runner: Runner, awaited: Awaited, board: Board) -> None:
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


def together(runner: Runner, awaited: Awaited, board: Board) -> None:
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
