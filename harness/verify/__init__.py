"""Whether stored runs are what they say: each is checked against itself, and a sample is trained again and compared.

Training happens in a store that is thrown away; the user's is only read. On a machine of the same type a run must come
out the same to the last bit; elsewhere within a tolerance that was measured (docs/verify.md). What needs no training
is checked on every run of a leaderboard: its scores are those of its predictions, and the leaderboard's are its own.
"""

from __future__ import annotations

import csv
import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.compare import agreement
from harness.compare.agreement import Agreement, differing
from harness.errors import BadInput
from harness.schedule import launch as launching
from harness.schedule.launch import Launch
from harness.schedule.progress import Board
from harness.store import Record, Store, predictions
from harness.verify.again import Again, Unverifiable

# Between machines of different types, two to three times the largest that was measured (docs/verify.md):
FLIPS = 0.03  # the largest share of clips that are predicted otherwise, but one clip always may be,
PROBABILITY = 0.005  # the largest mean difference of a probability,
LOSS = 0.02  # and of an epoch's training loss, as a share of it;
TIE = 0.02  # epochs whose scores are this near may be chosen one for the other, and then predictions are not compared
SAME, ANOTHER, UNKNOWN = "same type", "another type", "unknown"
EXACT, WITHIN, DIFFERS, UNVERIFIED = "exact", "within tolerance", "differs", "can't be verified"
MACHINE = (
    *("packages", "machine", "gpu", "processes", "precision", "threads", "deterministic", "determinism", "variables"),
    "second try",
)
_UNFELT = ("variables.OMP_NUM_THREADS", "variables.MKL_NUM_THREADS", "variables.OPENBLAS_NUM_THREADS")  # `threads` is


@dataclass(frozen=True)
class Cell:
    """A run to be looked at, and the scores that a leaderboard tells of it by split and metric."""

    dataset: str
    run_id: str
    method: str
    seed: str
    told: dict[tuple[str, str], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What became of a run that was trained again; `environment` is what differs in it: as stored, and now."""

    dataset: str
    run_id: str
    verdict: str
    why: list[str]
    machine: str = ""  # "same type", "another type", or "unknown" where too little is stored
    environment: dict[str, list[str]] = field(default_factory=dict)
    features: str = ""  # where they came from: "cache", or "made now"
    difference: dict[str, Any] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        return self.verdict in (EXACT, WITHIN)


def verify(name: str, stores: Sequence[Store], sample: int) -> dict[str, Any] | None:
    """What `harness verify --json` prints, of a run or of a leaderboard's folder.

    Of several stores each run is taken from the first that has it done, as `report` takes it. None in a launched
    process that only helps the first one. Raises `BadInput` where there is no such run.
    """
    launch, results = launching.here(), Path(name) / "results.csv"
    cells = _cells(results) if results.is_file() else [_cell(_find(name, stores))]
    chosen = _drawn(cells, sample, results.read_bytes()) if results.is_file() else cells
    wrong = [line for cell in cells for line in _wrong(cell, stores)] if launch.leads else []
    verdicts = list(_verdicts(chosen, stores, launch))
    if not launch.leads:
        return None
    return {
        "kind": "leaderboard" if results.is_file() else "run",
        "name": name,
        "runs": len(cells),
        "wrong": wrong,
        "tolerance": {"flips": FLIPS, "probability": PROBABILITY, "loss": LOSS, "tie": TIE},
        "verified": [asdict(verdict) for verdict in verdicts],
        "agrees": not wrong and all(verdict.agrees for verdict in verdicts),
    }


# ── which runs ──────────────────────────────────────────────────────────────────────────────────────────────


def _find(name: str, stores: Sequence[Store]) -> Record:
    """The run that `name` names in any of the stores. Raises `BadInput` where there is none, or several."""
    meant = {place[1] for store in stores for place in store.places() if place[1].startswith(name)}
    if name not in meant and len(stores) > 1 and len(meant) > 1:
        raise BadInput(name, f"names {len(meant)} runs", "give more of the run id: " + min(meant))
    found, refused = [], []
    for store in stores:
        try:
            found.append(store.find(name))
        except BadInput as error:
            refused.append(error)
    if not found:
        raise refused[0]
    return _taken(found)


def _stored(cell: Cell, stores: Sequence[Store]) -> Record | None:
    found = [record for store in stores if (record := store.record(cell.dataset, cell.run_id)) is not None]
    return _taken(found) if found else None


def _taken(records: Sequence[Record]) -> Record:
    """Of the same run in several stores: the first that is done, else the first."""
    return next((record for record in records if record.done), records[0])


def _places(stores: Sequence[Store]) -> str:
    return ", ".join(str(store.root) for store in stores)


def _cell(record: Record) -> Cell:
    if not record.done:
        raise BadInput(record.run_id, "is not done, so there is nothing to compare with", "give a run that is")
    spec = record.spec
    return Cell(spec["dataset"], record.run_id, spec["method"], str(spec["seed"]))


def _cells(path: Path) -> list[Cell]:
    found: dict[tuple[str, str], Cell] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                place = row["dataset"], row["run_id"]
                told = found.setdefault(place, Cell(*place, row["method"], row["seed"])).told
                told[row["split"], row["metric"]] = float(row["value"])
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise BadInput(str(path), f"is no table of results ({error})", "write it again: harness report") from error
    if not found:
        raise BadInput(str(path), "holds no results", "write it again: harness report")
    return list(found.values())


def _drawn(cells: Sequence[Cell], sample: int, content: bytes) -> list[Cell]:
    """As many cells as asked for, spread over data sets, methods and seeds.

    Each is of those that were drawn least so far; a hash decides among equals, so that they are the same as long as
    the leaderboard is the same.
    """
    left = sorted(cells, key=lambda cell: hashlib.sha256(content + cell.run_id.encode()).digest())
    drawn: list[Cell] = []
    count = Counter[tuple[str, str]]()
    while left and len(drawn) < sample:
        chosen = min(left, key=lambda cell: [count[level] for level in _levels(cell)])
        left.remove(chosen)
        drawn.append(chosen)
        count.update(_levels(chosen))
    return drawn


def _levels(cell: Cell) -> list[tuple[str, str]]:
    return [("dataset", cell.dataset), ("method", cell.method), ("seed", cell.seed)]


def _wrong(cell: Cell, stores: Sequence[Store]) -> Iterator[str]:
    """What is wrong with a run that shows without training it."""
    try:
        record = _stored(cell, stores)
        if record is None:
            yield f"{cell.run_id}: no such run in {_places(stores)}: give --runs"
            return
        found = list(agreement.contradictions(record, predictions.read(record.folder)))
    except BadInput as error:
        yield f"{cell.run_id}: {error}"
        return
    for (split, metric), value in cell.told.items():
        stored = record.result.get("metrics", {}).get(split, {}).get(metric)
        if agreement.apart(stored, value) > agreement.ROUNDING:
            found.append(f"the leaderboard tells {split} {metric} as {value}, the run as {stored}")
    yield from (f"{cell.run_id}: {line}" for line in found)


# ── training again, and comparing ───────────────────────────────────────────────────────────────────────────


def _verdicts(cells: Sequence[Cell], stores: Sequence[Store], launch: Launch) -> Iterator[Verdict]:
    board = Board(len(cells), 0, silent=not launch.leads)
    with tempfile.TemporaryDirectory(prefix="harness-verify-") as folder:
        again = Again(Store(folder), launch, board)
        for cell in cells:
            try:
                stored = _stored(cell, stores)
                if stored is None:
                    raise Unverifiable(f"no such run in {_places(stores)}")
                trained = again.train(stored)
                if trained is not None:
                    board.finished(trained.result, [])
                    features = "made now" if cell.run_id in again.anew else "cache"
                    yield judge(stored, trained, features)
            except (Unverifiable, BadInput) as error:
                board.say(f"{cell.run_id} {UNVERIFIED}: {error}")
                yield Verdict(cell.dataset, cell.run_id, UNVERIFIED, [str(error)])
    board.close()


def judge(stored: Record, again: Record, features: str) -> Verdict:
    """The verdict on a stored run, of the same run trained `again`. Raises `BadInput` for damaged files."""
    environment = _environment(stored, again)
    machine, found = _machine(environment), agreement.compare(stored, again)
    exactly = machine == SAME and _exact_device(again.environment())
    verdict, why = _degree(found, _another_epoch(stored, again), exactly=exactly)
    difference = {key: value for key, value in asdict(found).items() if key not in ("wrong", "unequal")}
    return Verdict(stored.spec["dataset"], stored.run_id, verdict, why, machine, environment, features, difference)


def _environment(stored: Record, again: Record) -> dict[str, list[str]]:
    facts = [
        {**record.environment(), "second try": record.result.get("retried", {}).get("how", "no")}
        for record in (stored, again)
    ]
    return differing(*facts)


def _machine(environment: Mapping[str, Sequence[str]]) -> str:
    felt = [key for key in environment if key.split(".")[0] in MACHINE and key not in _UNFELT]
    if not felt:
        return SAME
    return UNKNOWN if all(environment[key][0] == agreement.ABSENT for key in felt) else ANOTHER


def _exact_device(environment: Mapping[str, Any]) -> bool:
    """Whether a device adds in the same order each time: a GPU only where it was told to."""
    return not environment["gpu"] or environment["deterministic"]


def _degree(found: Agreement, tie: str, *, exactly: bool) -> tuple[str, list[str]]:
    """The verdict, and why."""
    if found.exact:
        return EXACT, []
    why = list(found.wrong)
    if exactly:
        why.append(f"not the same to the last bit, on the same type of machine: {', '.join(found.unequal)}")
    if found.loss > LOSS:
        why.append(f"the loss of an epoch differs by {100 * found.loss:.1f} %")
    if not tie and found.flips > max(FLIPS * found.clips, 1):
        why.append(f"{found.flips} of {found.clips} clips are predicted otherwise")
    if not tie and found.probability > PROBABILITY:
        why.append(f"probabilities differ by {found.probability:.3f} in the mean")
    return (DIFFERS, why) if why else (WITHIN, [tie] if tie else [])


def _another_epoch(stored: Record, again: Record) -> str:
    """In words, where the other training reports another epoch and either holds the two as good as tied; else empty."""
    epochs = [record.result["epoch"] for record in (stored, again)]
    histories, split = [stored.history(), again.history()], "test" if stored.result["selection"] == "oracle" else "val"
    if epochs[0] == epochs[1] or max(epochs) >= min(map(len, histories)):
        return ""
    metric = stored.result["primary"]
    scores = [[history[epoch][split][metric] for epoch in epochs] for history in histories]
    ahead = min(scores[0][0] - scores[0][1], scores[1][1] - scores[1][0])
    if not 0 <= ahead <= TIE:
        return ""
    return (
        f"another epoch was chosen, {epochs[1] + 1} instead of {epochs[0] + 1}: on {split} their {metric} is "
        f"{100 * ahead:.1f} points apart"
    )
