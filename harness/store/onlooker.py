"""A grid as it runs, seen from outside: what its plan says, what its runs' folders and leases and the queue say.

Whoever looks on only reads, and takes nothing from those who train: no lock, no index, no torch. Files that can't
change any more (those of a run that is done) are read once. How it looks on a terminal is `commands/watch`'s.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness import slurm
from harness.errors import BadInput, headline
from harness.store import Record, Store, leases

DONE, FAILED, WORKING, BEGUN, WAITING = STATES = ("done", "failed", "working", "begun", "waiting")
QUEUE = 30.0  # seconds between two questions to a cluster's queue: they cost its controller more than us
_READ = ("spec.json", "history.jsonl", "alarms.jsonl", "result.json")


@dataclass(frozen=True)
class Working:
    """A run that somebody holds: how far it is, and the curve of its validation metric (0 to 1, an epoch each)."""

    run_id: str
    name: str
    epoch: int
    epochs: int
    metric: str
    curve: tuple[float, ...]


@dataclass(frozen=True)
class Ended:
    """A run that is over: its scores on `test`, or what it failed of."""

    run_id: str
    name: str
    failed: str
    scores: dict[str, float]


@dataclass(frozen=True)
class Alarm:
    """What a sentinel found, in how many runs, and what it said of the last of them."""

    severity: str
    sentinel: str
    runs: int
    last: str
    message: str


@dataclass(frozen=True)
class Job:
    """A job of the cluster: what it does, and how many of its tasks are in which state.

    Where one broke, the log that tells of it, and the last that it said there.
    """

    number: str
    does: str
    tasks: dict[str, int]
    log: str = ""
    said: str = ""


@dataclass(frozen=True)
class Look:
    """A grid at one moment. `states` are counts by data set, `left` seconds (None: nothing is known yet).

    `trouble` says why the queue could not be asked; then `jobs` are those of the last time that it answered.
    """

    grid: str
    runs: int
    states: dict[str, dict[str, int]]
    working: tuple[Working, ...]
    ended: tuple[Ended, ...]
    alarms: tuple[Alarm, ...]
    jobs: tuple[Job, ...]
    left: float | None  # seconds; None while there are data sets that can't be judged
    at_least: float | None  # seconds of those that can be, if any can
    unjudged: tuple[str, ...] = ()  # data sets of which no epoch is done yet
    trouble: str = ""

    def count(self, state: str) -> int:
        return sum(counts[state] for counts in self.states.values())

    @property
    def over(self) -> bool:
        """Whether every run has ended, and no job of a cluster is still to do something, as far as it answers."""
        return self.trained and not self.trouble and not self.queued

    @property
    def trained(self) -> bool:
        """Whether every run has ended."""
        return self.count(DONE) + self.count(FAILED) == self.runs

    @property
    def queued(self) -> bool:
        """Whether a job of a cluster has not ended."""
        return any(slurm.waiting(job.tasks) for job in self.jobs)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def latest(store: Store) -> str:
    """The grid of a store that is at work, else the one planned last. Raises `BadInput` where none was planned."""
    plans = sorted((store.root / "plans").glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    if not plans:
        raise BadInput(str(store.root), "no grid was planned in this store", "give --runs, or start one: harness run")
    return next((path.stem for path in plans if _at_work(store, path.stem)), plans[0].stem)


def _at_work(store: Store, grid: str) -> bool:
    try:
        return any(store.leased(row["dataset"], row["run_id"]) for row in store.read_plan(grid)["runs"])
    except BadInput:  # damaged: told where it is asked for
        return False


def named(grid: str) -> str:
    """The name of a grid that the user gave by its file or by its name, which may have dots: `v1.2.toml`, `v1.2`."""
    return Path(grid).name.removesuffix(".toml")


class Onlooker:
    """Looks on at one grid of a store; keep it, since it remembers what can't change any more."""

    def __init__(self, store: Store, grid: str) -> None:
        self.store, self.grid = store, grid
        self.took = 0.0  # seconds, by the last look
        self._kept: dict[str, tuple[Any, _Facts]] = {}
        self._jobs: tuple[Job, ...] = ()
        self._asked, self._trouble = -QUEUE, ""  # when the queue was asked, and why it did not answer

    def look(self) -> Look:
        """The grid now. Raises `BadInput` where it was never planned."""
        began = time.monotonic()
        found = [(row, self._facts(row)) for row in self.store.read_plan(self.grid)["runs"]]
        by_time = sorted(found, key=lambda each: each[1].changed)
        states: dict[str, Counter[str]] = defaultdict(Counter)
        for row, facts in found:
            states[row["dataset"]][facts.state] += 1
        self._ask_queue()
        at_least, unjudged = _left(found)
        look = Look(
            grid=self.grid,
            runs=len(found),
            states={name: {state: counts[state] for state in STATES} for name, counts in states.items()},
            working=tuple(facts.working(row) for row, facts in found if facts.state == WORKING),
            ended=tuple(facts.ended(row) for row, facts in by_time if facts.state in (DONE, FAILED)),
            alarms=tuple(_alarms(by_time)),
            jobs=self._jobs,
            left=None if unjudged else at_least,
            at_least=at_least,
            unjudged=unjudged,
            trouble=self._trouble,
        )
        self.took = time.monotonic() - began
        return look

    def _facts(self, row: Mapping[str, Any]) -> _Facts:
        folder = self.store.folder(row["dataset"], row["run_id"])
        before, facts = self._kept.get(row["run_id"], (None, None))
        if facts is not None and facts.state == DONE and before == _changed(folder / "result.json"):
            return facts
        now = _stamp(folder), leases.held(folder)
        if facts is None or before != now:
            facts = _read(self.store, row, held=now[1])
        self._kept[row["run_id"]] = (now[0][_READ.index("result.json")] if facts.state == DONE else now, facts)
        return facts

    def _ask_queue(self) -> None:
        """Which jobs of the last submission, and which others have not ended; a controller that does not answer is
        asked again later.
        """
        if time.monotonic() - self._asked < QUEUE:
            return
        ours = slurm.submissions(self.store.root, self.grid)
        kinds = {job: does for each in ours for does, job in each.jobs.items()}
        last = {*ours[-1].jobs.values()} if ours else set()
        try:
            found = slurm.queue(kinds)
            shown = sorted((job for job in found if job in last or slurm.waiting(found[job])), key=int)
            self._jobs = tuple(self._job(job, kinds[job], found[job]) for job in shown)
            self._trouble = ""
        except BadInput as error:
            self._trouble = str(error)
        self._asked = time.monotonic()

    def _job(self, number: str, does: str, tasks: Mapping[str, int]) -> Job:
        told = slurm.last_words(self.store.root, number) if slurm.broken(tasks) else ()
        return Job(number, does, dict(tasks), *told)


@dataclass(frozen=True)
class _Facts:
    """What a run's folder says."""

    state: str
    changed: int = 0  # ns
    result: Mapping[str, Any] | None = None
    train: Mapping[str, Any] | None = None
    metric: str = ""
    history: tuple[Mapping[str, Any], ...] = ()
    alarms: tuple[Mapping[str, Any], ...] = ()

    def working(self, row: Mapping[str, Any]) -> Working:
        split = "test" if (self.train or {}).get("selection") == "oracle" else "val"
        curve = tuple(line[split][self.metric] for line in self.history if split in line)
        return Working(row["run_id"], name_of(row), len(self.history), self.epochs, self.metric, curve)

    def ended(self, row: Mapping[str, Any]) -> Ended:
        result = self.result or {}
        failed = headline(result["error"]) if result.get("error") else ""
        return Ended(row["run_id"], name_of(row), failed, dict(result.get("metrics", {}).get("test", {})))

    @property
    def epochs(self) -> int:
        return int((self.train or {}).get("epochs", 0))

    @property
    def pace(self) -> float | None:
        """Seconds that all its epochs take, by those behind it."""
        seconds = [line["duration_s"] for line in self.history if "duration_s" in line]
        return self.epochs * statistics.mean(seconds) if seconds else None


Found = Sequence[tuple[Mapping[str, Any], _Facts]]  # the rows of a plan with what the runs' folders say


def name_of(row: Mapping[str, Any]) -> str:
    """A run of a plan in words."""
    fold = f" fold {row['fold']}" if row.get("fold") else ""
    return f"{row['dataset']}{fold} {row['method']} seed {row['seed']}"


def _read(store: Store, row: Mapping[str, Any], held: bool) -> _Facts:
    """A run's files as they are this moment; one whose files come and go meanwhile is looked at again later."""
    try:
        record = store.record(row["dataset"], row["run_id"])
        if record is None:
            return _Facts(WORKING if held else WAITING)
        state = _state(record, held)
        return _Facts(
            state=state,
            changed=max(_stamp(record.folder)),
            result=record.result,
            train=record.spec.get("train"),
            metric=record.metric,
            history=tuple(record.history()) if state == WORKING else (),
            alarms=tuple(record.alarms()),
        )
    except FileNotFoundError:
        return _Facts(WORKING if held else WAITING)


def _state(record: Record, held: bool) -> str:
    if record.done:
        return DONE
    if held:
        return WORKING
    return FAILED if record.result else BEGUN


def _stamp(folder: Path) -> tuple[int, ...]:
    """Changes when a run's files do (ns)."""
    return tuple(_changed(folder / name) for name in _READ)


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _alarms(found: Found) -> list[Alarm]:
    """By severity and sentinel, those heard of last coming last; `found` is in the order of time."""
    heard: dict[tuple[str, str], Alarm] = {}
    for row, facts in found:
        last = {(alarm["severity"], alarm["sentinel"]): alarm["message"] for alarm in facts.alarms}
        for key, message in last.items():
            before = heard.pop(key, None)
            heard[key] = Alarm(*key, before.runs + 1 if before else 1, name_of(row), message)
    return list(heard.values())


def _left(found: Found) -> tuple[float | None, tuple[str, ...]]:
    """Seconds until all is done if as many go on working as work now (at least one), and the data sets left out of it.

    A run takes as long as those of its data set took (their median), else as long as one at work will at its pace.
    """
    took: dict[str, list[float]] = defaultdict(list)
    paces: dict[str, list[float]] = defaultdict(list)
    for row, facts in found:
        if facts.state == DONE and facts.result and facts.result.get("duration_s") is not None:
            took[row["dataset"]].append(facts.result["duration_s"])
        if facts.pace is not None:
            paces[row["dataset"]].append(facts.pace)
    total, workers, unjudged = 0.0, 0, dict[str, None]()
    for row, facts in found:
        if facts.state in (DONE, FAILED):
            continue
        workers += facts.state == WORKING
        known = took.get(row["dataset"]) or paces.get(row["dataset"])
        if not known:
            unjudged[row["dataset"]] = None
            continue
        behind = len(facts.history) / facts.epochs if facts.epochs else 0.0
        total += statistics.median(known) * max(1.0 - behind, 0.0)
    return (total / max(workers, 1) if total or not unjudged else None), tuple(unjudged)
