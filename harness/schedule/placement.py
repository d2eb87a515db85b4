"""Who trains what, where: placement, worker processes and their threads.

`pair`: every process claims whole runs by lease (`claiming`). `data`: all launched processes train one run together
(DDP).
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from accelerate import Accelerator

from harness import signals
from harness.errors import BadInput, Unwritable
from harness.plan import Plan, Run
from harness.schedule import launch as launching
from harness.schedule import thumbnails
from harness.schedule.claiming import Awaited, claim, together, told_by_first
from harness.schedule.crew import Crew, Meter
from harness.schedule.launch import Launch
from harness.schedule.progress import Board, Counter
from harness.schedule.task import HARNESS
from harness.store import Store, index
from harness.training import partners
from harness.training.runner import Runner
from harness.words import plural

CUDA_CONTEXT = 2**30  # bytes that a process takes of a device beside its tensors


@dataclass
class Outcome:
    """What became of the wanted runs."""

    wanted: int = 0
    done: int = 0
    alarmed: dict[str, list[str]] = field(default_factory=dict)  # of those, the runs with errors, and who raised them
    failed: list[dict[str, Any]] = field(default_factory=list)
    died: list[str] = field(default_factory=list)  # workers that did, and how; the others did their work
    weightless: dict[str, str] = field(default_factory=dict)  # runs whose weights were asked for in vain, and why


@dataclass(frozen=True)
class Asked:
    """How the command line asks for the runs to be trained."""

    placement: str = "auto"
    workers: str = "auto"
    on_alarm: str = "warn"
    save_every: float = 60.0  # seconds between two checkpoints of a run
    save_model: bool = False  # whether trained weights are kept
    track: tuple[str, ...] = ()  # trackers that are told each run's epochs


def run(plan: Plan, record: Mapping[str, Any], store: Store, asked: Asked, argv: Sequence[str]) -> Outcome:
    """Trains the plan's wanted runs that are not done and returns once none is left, here or elsewhere.

    `record` is the plan as the store keeps it. It is written when every method has been built, so that bad settings
    leave nothing behind, and before the caches are filled, so that `harness watch` knows of it.
    """
    launch = launching.here()
    if launch.worker:
        threading.Thread(target=_leave_with_lead, args=(launch.lead,), daemon=True).start()
    shortfall, (placement, why) = launching.shortfall(launch), _placement(plan, asked.placement, launch)
    todo, accelerator = _todo(plan, store, launch, placement)
    count, most, why_count = _workers(plan, asked.workers, placement, launch, len(todo), gpu=torch.cuda.is_available())
    outcome, awaited = Outcome(sum(run.wanted for run in plan.runs)), Awaited(store, todo, launch)
    board = Board(outcome.wanted, outcome.wanted - len(todo), silent=not launch.leads)
    if shortfall:
        board.say(f"note: {shortfall}")
    runner = None
    if accelerator is not None and todo:
        how = f"placement {placement}: {why}; {count} worker{'s' * (count > 1)}: {why_count}"
        _announce(plan, awaited, board, how)
        runner = _runner(plan, asked, accelerator, placement, board)
        if not launch.worker:  # whoever started a worker has done this already
            _check(runner, todo)
    if launch.leads and not launch.task:  # of a cluster's jobs: whoever submitted them has written it
        store.write_plan(plan.grid.name, record)
    if runner is not None:
        if not launch.worker:
            _fill(runner, todo)
            if launch.task == "prepare":
                _picture(plan, store, board)
                board.close()
                return outcome
        _set_threads(runner, todo, launch, most)
        outcome.died = _train(runner, awaited, board, count, most, argv)
        if launch.leads and not launch.task:  # last: they must not take the room that a result needs
            _picture(plan, store, board)
    board.close()
    return _outcome(plan, store, outcome)


def _todo(plan: Plan, store: Store, launch: Launch, placement: str) -> tuple[list[Run], Accelerator | None]:
    """The wanted runs that are not done, and this process's accelerator where it needs one.

    Processes that train together go by what the first saw to do: another job may end a run between two looks.
    """
    todo = plan.todo(store)
    if placement != "data":
        return todo, launching.accelerator(launch, placement) if todo else None
    accelerator = launching.accelerator(launch, placement)
    first = set(told_by_first([run.run_id for run in todo]))
    return [run for run in plan.runs if run.run_id in first], accelerator


def _runner(plan: Plan, asked: Asked, accelerator: Accelerator, placement: str, board: Board) -> Runner:
    return Runner(
        plan.grid,
        plan.copies,
        accelerator,
        placement,
        asked.on_alarm,
        partial(Counter, board),
        asked.save_every,
        save_model=asked.save_model,
        track=asked.track,
    )


def _announce(plan: Plan, awaited: Awaited, board: Board, how: str) -> None:
    """Says what is to be trained and how, and what was noted while the data sets were read."""
    begun = sum((awaited.folder(run) / "checkpoint").is_dir() for run in awaited.begun)
    goes_on = f"; {begun} of them from a checkpoint" if begun else ""
    board.say(f"{len(awaited.runs)} of {plural(board.total, 'run')} to train{goes_on}")
    board.say(how)
    for name, doubt in plan.doubts.items():
        board.say(f"  {name}: {doubt}")
    for name, copy in plan.wanted_copies.items():
        for note in copy.scan.notes:
            board.say(f"  {name}: {note.message}" + (f" ({note.count:,} in all)" if note.count > 1 else ""))


def _train(runner: Runner, awaited: Awaited, board: Board, count: int, most: int, argv: Sequence[str]) -> list[str]:
    """Trains until every run has ended, with `count` workers at first and `most` in the end; tells how workers died."""
    command, told = [*HARNESS, *argv], {launching.SINCE: str(awaited.since)}
    task = bool(awaited.launch.task)
    left = (lambda: 0) if task else awaited.left  # a job's workers may leave while other jobs train
    with Crew(command, told, board.say, left) as crew:
        for _ in range(count - 1):
            crew.add()
        if most > count:
            threading.Thread(target=_grow, args=(crew, runner, awaited, most), daemon=True).start()
        if runner.placement == "data":
            with partners.relied_on():
                together(runner, awaited, board, leaves=task)
        else:
            claim(runner, awaited, board, leaves=task)
        if task:
            crew.join()
    return crew.died


def _placement(plan: Plan, asked: str, launch: Launch) -> tuple[str, str]:
    frozen = plan.grid.sections["model"].trunk == "frozen"
    if asked == "data" and frozen and launch.world > 1:
        return asked, "as asked, though with a frozen trunk `pair` trains as many runs at once as there are processes"
    if asked != "auto":
        return asked, "as asked"
    if launch.world == 1:
        return "pair", "one process"
    if not frozen:
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


def _check(runner: Runner, todo: list[Run]) -> None:
    """Every method built once, before anybody trains."""
    for run in {(run.copy, run.method): run for run in todo}.values():
        runner.check(run)


def _fill(runner: Runner, todo: list[Run]) -> None:
    """Every clip read once into the cache, before anybody trains."""
    for copy, cached in dict.fromkeys((run.copy, runner.cached(run)) for run in todo):
        runner.material.stored(copy, cached)


def _picture(plan: Plan, store: Store, board: Board) -> None:
    """Small pictures of test clips, for the leaderboard's page: no run waits for a disk that takes none."""
    try:
        for copy in plan.wanted_copies.values():
            thumbnails.keep(store, copy)
    except Unwritable as error:
        board.say(f"note: {error}; the page will show fewer thumbnails")


def _leave_with_lead(lead: int) -> None:
    """A worker whose starter is gone must not train on unseen: it saves its run and leaves, or is made to."""
    while os.getppid() == lead:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(signals.GRACE + 5)
    os._exit(signals.INTERRUPTED)


def _grow(crew: Crew, runner: Runner, awaited: Awaited, most: int) -> None:
    """Packs the device: one more worker at a time, if there is memory for another process like this one."""

    def room() -> int:
        free, _ = torch.cuda.mem_get_info()
        fitting = free // (torch.cuda.max_memory_reserved() + CUDA_CONTEXT)
        return min(most, awaited.left(), 1 + len(crew.workers) + fitting)

    crew.grow(room, Meter({awaited.folder(run): runner.steps(run) for run in awaited.runs}))


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
