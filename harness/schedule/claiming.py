"""The claiming of runs from the store: whoever holds a run's lease trains it, and all wait until every run has ended.

A launched process, a local `--workers` process and a process on another machine claim in the same way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list

from harness import signals
from harness.errors import Deserted
from harness.plan import Run
from harness.schedule.awaited import Awaited
from harness.schedule.progress import Board, RunBar
from harness.store.leases import Commit, Lease, Leases
from harness.training import partners
from harness.training.environment import describe
from harness.training.runner import Runner
from harness.training.writing import Lost, Writer, heading

POLL, RARELY = 0.5, 60.0  # seconds between two looks at runs that others hold: at least, and at most
PACE = 0.05  # seconds between them for each of these runs, where that is longer than the least
SHARE = 0.02  # of the time waited so far, where that is longer still
DEADLY = 2  # processes in a row that a run may kill before it is told as failed


def claim(runner: Runner, awaited: Awaited, board: Board, *, leaves: bool = False) -> None:
    """Claims and trains runs until every one has ended here or in another worker.

    Who `leaves` does not wait for the runs of others once all are taken: a job of a cluster keeps its place no longer
    than it has work, and one that was cut off comes back to its run.
    """

    def train(run: Run, lease: Lease) -> None:
        _execute(runner, run, awaited.folder(run), board, lease)

    _claim(runner, awaited, board, train, resting=lambda: not (leaves and awaited.taken()))


def together(runner: Runner, awaited: Awaited, board: Board, *, leaves: bool = False) -> None:
    """All processes train one run after the other; the first one claims for all and tells them which.

    Others look at the store at other moments, so they are told instead of looking themselves. While a run that another
    job holds is waited for, they are told that there is none.
    """
    known = {run.run_id: run for run in awaited.runs}

    def train(run: Run, lease: Lease) -> None:
        told_by_first(run.run_id)
        _execute(runner, run, awaited.folder(run), board, lease)

    def resting() -> bool:
        if leaves and awaited.taken():
            return False
        told_by_first("")
        return True

    if runner.accelerator.is_main_process:
        _claim(runner, awaited, board, train, resting)
        told_by_first(None)
        return
    while (run_id := told_by_first(None)) is not None:
        if run_id:
            _execute(runner, known[run_id], awaited.folder(known[run_id]), board, None)


def _claim(
    runner: Runner,
    awaited: Awaited,
    board: Board,
    train: Callable[[Run, Lease], None],
    resting: Callable[[], bool],
) -> None:
    """Takes runs as long as there are any to take, then waits for those of others and takes over from the dead.

    Who waits looks the less often the longer it has waited, and the more others it found at work when it began to: they
    will be the crowd that waits. Before each rest `resting` is asked whether to wait at all.
    """
    claims, crowd, since = Leases(), 0, 0.0
    while awaited.waiting:
        for run in awaited.news():
            _tell(run, awaited, board)
        for run in awaited.watched() if crowd else awaited.in_leaps():
            if _take(runner, run, awaited, board, claims, train):
                crowd = 0
                break
        else:
            if not crowd:
                crowd, since = len(awaited.waiting), time.monotonic()
            if awaited.waiting:
                if not resting():
                    return
                claims.rest(min(max(POLL, PACE * crowd, SHARE * (time.monotonic() - since)), RARELY))


def _take(
    runner: Runner,
    run: Run,
    awaited: Awaited,
    board: Board,
    claims: Leases,
    train: Callable[[Run, Lease], None],
) -> bool:
    """Trains a run that nobody holds and that has not ended; returns whether it did."""
    took, ended = False, awaited.ended(run)
    if not ended:
        with claims.claim(awaited.folder(run)) as lease:
            if lease:
                if took := _trainable(runner, run, awaited, lease):
                    awaited.begin(run)
                    train(run, lease)
                if ended := awaited.ended(run):
                    awaited.note(run)
    if ended:
        _tell(run, awaited, board)
    return took


def _tell(run: Run, awaited: Awaited, board: Board) -> None:
    """A run has ended: it is waited for no more, and read where somebody is told of it."""
    if board.silent:
        del awaited.waiting[run.run_id]
    elif record := awaited.record(run):
        del awaited.waiting[run.run_id]
        board.finished(record.result, record.alarms() if record.result.get("alarms") else [])


def _trainable(runner: Runner, run: Run, awaited: Awaited, lease: Lease) -> bool:
    """Whether to train a run that this process holds: it neither has ended meanwhile nor ends who trains it."""
    if awaited.ended(run):
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
        **heading(run, runner.grid.sections["train"]),
        "status": "failed",
        "error": {"type": "Died", "message": f"{what} — {mend}"},
    }
    writer.end(result, [], None)


def told_by_first(value: Any) -> Any:
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
        if lease and partners.gone(error):
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
