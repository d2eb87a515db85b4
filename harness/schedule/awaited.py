"""The runs that a call waits for: in which order a worker looks at them, and how it learns that they have ended.

A thousand workers may wait for ten thousand runs on one file server, so nobody looks at all of them again and again.
Who ends a run notes it in `RUNS/<dataset>/.ended/`, where the others learn it from one listing; who finds the next runs
taken leaps ahead; and who finds all of them taken watches a few. A note that is missing costs others a look, no more:
what has ended is said by the runs' folders.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from harness.plan import Run
from harness.schedule.launch import Launch
from harness.store import Record, Store, leases

NEAR = 32  # runs of others that a worker passes one by one before it leaps: those of a machine keep the grid's order
FARTHEST = 2**20  # runs in a leap
WATCHED = 8  # runs of others that a worker without one keeps an eye on


class Awaited:
    """The runs that a call waits for, and which of them have ended: failures of an earlier call are tried again.

    They are tried last, with the runs whose processes died: what ends a process must not keep the others from theirs.
    To a worker the earlier calls are those before its starter's, so that what fails while it loads is not tried twice;
    to a job of a cluster those before it and the others were submitted.
    `begun` are those of which something lay in the store.
    """

    def __init__(self, store: Store, runs: list[Run], launch: Launch) -> None:
        self.store, self.launch, self._random = store, launch, random.Random()
        datasets = {run.dataset for run in runs}
        self._noted = {dataset: _names(self._notes(dataset)) for dataset in datasets}
        there = {dataset: _names(store.root / dataset) for dataset in datasets}
        self.begun = [run for run in runs if run.run_id in there[run.dataset]]
        self._failed = {run.run_id: when for run in self.begun if (when := self._failed_before(run))}
        deaths = {run.run_id: count for run in self.begun if (count := leases.deaths(self.folder(run)))}
        self.runs = sorted(runs, key=lambda run: (deaths.get(run.run_id, 0), self._failed.get(run.run_id, 0)))
        self.waiting = {run.run_id: run for run in self.runs}
        self._last, self._watched = self._failed.keys() | deaths.keys(), list[str]()

    @property
    def since(self) -> int:
        """Results that are written later than this (ns) are of this call, or of another that goes on beside it."""
        return max(self._failed.values(), default=0)

    def folder(self, run: Run) -> Path:
        return self.store.folder(run.dataset, run.run_id)

    def ended(self, run: Run) -> bool:
        """Whether the run has a result, other than a failure of an earlier call."""
        return self._written(run) not in (0, self._failed.get(run.run_id))

    def record(self, run: Run) -> Record | None:
        """The stored run, if it has ended."""
        return self.store.record(run.dataset, run.run_id) if self.ended(run) else None

    def left(self) -> int:
        """How many runs have not ended."""
        return sum(not self.ended(run) for run in list(self.waiting.values()))

    def taken(self) -> bool:
        """Whether every waiting run is another's."""
        return all(leases.held(self.folder(run)) for run in self.waiting.values())

    # ── which to look at ────────────────────────────────────────────────────────────────────────────────────

    def in_leaps(self) -> Iterator[Run]:
        """Every waiting run once, for who will stop at the first that it can take."""
        runs = list(self.waiting.values())
        for last in (False, True):
            yield from in_leaps([run for run in runs if (run.run_id in self._last) is last], self._random)

    def watched(self) -> list[Run]:
        """A few waiting runs, the same ones until they end: only who looks again sees that a holder is silent."""
        self._watched = [run_id for run_id in self._watched if run_id in self.waiting]
        others = list(self.waiting.keys() - set(self._watched))
        self._watched += self._random.sample(others, min(WATCHED - len(self._watched), len(others)))
        return [self.waiting[run_id] for run_id in self._watched]

    # ── notes on what has ended ─────────────────────────────────────────────────────────────────────────────

    def begin(self, run: Run) -> None:
        """Takes back the note that the run has ended, if it did in an earlier call."""
        if run.run_id in self._noted[run.dataset]:
            with suppress(OSError):
                (self._notes(run.dataset) / run.run_id).unlink()

    def note(self, run: Run) -> None:
        """Notes that the run has ended, for all who wait for it."""
        notes = self._notes(run.dataset)
        with suppress(OSError):  # then the others look for themselves
            notes.mkdir(exist_ok=True)
            (notes / run.run_id).touch()

    def news(self) -> list[Run]:
        """Waiting runs of which others have noted since the last call that they have ended."""
        new = set[str]()
        for dataset in {run.dataset for run in self.waiting.values()}:
            before, self._noted[dataset] = self._noted[dataset], _names(self._notes(dataset))
            new |= self._noted[dataset] - before
        return [run for run_id, run in self.waiting.items() if run_id in new]

    def _notes(self, dataset: str) -> Path:
        return self.store.root / dataset / ".ended"

    def _written(self, run: Run) -> int:
        """When the run's result was written (ns), 0 when there is none."""
        folder = self.folder(run)
        try:
            written = (folder / "result.json").stat().st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            return 0
        return written if (folder / "spec.json").exists() else 0

    def _failed_before(self, run: Run) -> int:
        """When a failure of an earlier call was written (ns), 0 when there is none."""
        written = self._written(run)
        beside = self.launch.worker or self.launch.task
        if not written or (beside and written > self.launch.since):
            return 0
        record = self.store.record(run.dataset, run.run_id)
        return 0 if record and record.done else written  # done by another call since this one looked


def in_leaps(runs: Sequence[Run], rng: random.Random) -> Iterator[Run]:
    """Every run once: in order while few are another's, then in leaps that may double, then those leapt over.

    So a worker alone keeps the order, a few nearly, and a thousand that begin at the same run soon stand apart.
    """
    left, place, leap = list(runs), 0, 1
    for passed in range(len(left)):
        yield left.pop(place)
        if passed >= NEAR:
            leap = min(2 * leap, FARTHEST)
        if left:
            place = (place + rng.randrange(leap)) % len(left)


def _names(folder: Path) -> set[str]:
    """What lies in a folder, which need not be there."""
    try:
        return {path.name for path in folder.iterdir()}
    except (FileNotFoundError, NotADirectoryError):
        return set()
