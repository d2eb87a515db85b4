"""The run store: a folder a run, plain files in it, and nothing else to believe.

    RUNS/<dataset>/<run_id>/   spec.json environment.json history.jsonl alarms.jsonl predictions.parquet result.json
    RUNS/.thumbnails/          small pictures of test clips, of miniatures only
    RUNS/plans/<grid>.json     the resolved design of each grid that was planned here: cells, levels, run ids

Both halves of the product meet here, so this room knows no torch. Who works on a run is said by its lease (`leases`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import plugins
from harness.errors import BadInput, Unwritable, nearest
from harness.files import Damaged, read_json, read_lines, writable, write_json
from harness.store import leases
from harness.words import some

ALARMS = "alarms.jsonl"  # also the sentinel of an alarm that says that one of its lines makes no sense
SCHEMA = 1  # of spec.json and result.json: raise it when a reader of before would misunderstand them


@dataclass(frozen=True)
class Record:
    """One stored run: its folder, and its `spec.json` and `result.json` (empty while unfinished)."""

    folder: Path
    spec: dict[str, Any]
    result: dict[str, Any]

    @property
    def run_id(self) -> str:
        return self.folder.name

    @property
    def done(self) -> bool:
        return self.result.get("status") == "done"

    @property
    def metric(self) -> str:
        """The metric that chooses the epoch. Of a data set that no plugin brings now, UAR unless the run says it."""
        dataset = self.folder.parent.name
        told = self.result.get("primary") or self.spec.get("train", {}).get("metric")
        known = dataset in plugins.names("datasets")
        return told or (plugins.get("datasets", dataset).metric if known else "uar")

    def history(self) -> list[dict[str, Any]]:
        return read_lines(self.folder / "history.jsonl")

    def alarms(self) -> list[dict[str, Any]]:
        """What its sentinels raised. A line that lacks what every alarm has is told as an alarm of the file."""
        lines = enumerate(read_lines(self.folder / ALARMS), 1)
        return [alarm if _is_whole(alarm) else self.alarm(f"alarm {line} {_LACKS}") for line, alarm in lines]

    def alarm(self, message: str) -> dict[str, Any]:
        """The alarm that says what is wrong with the run's alarms: an error where there were errors among them."""
        severity = "error" if self.result.get("errors") else "warning"
        return {"severity": severity, "sentinel": ALARMS, "epoch": None, "message": message}

    def errors(self) -> list[str]:
        """The sentinels whose alarms are errors, each once."""
        alarms = self.alarms() if self.result.get("errors") else []
        return errors_among((alarm["severity"], alarm["sentinel"]) for alarm in alarms)

    def environment(self) -> dict[str, Any]:
        path = self.folder / "environment.json"
        return read_json(path) if path.exists() else {}


_LACKS = "lacks its severity, sentinel or message, or its epoch is no number"


def _is_whole(alarm: Mapping[str, Any]) -> bool:
    texts = all(isinstance(alarm.get(key), str) for key in ("severity", "sentinel", "message"))
    return texts and isinstance(alarm.get("epoch"), int | None)


def errors_among(alarms: Iterable[tuple[str, str]], severities: Mapping[str, str] | None = None) -> list[str]:
    """The sentinels of those alarms (severity, sentinel) that are errors, each once.

    `severities` are other ones than those they were raised with.
    """
    told = severities or {}
    return list(dict.fromkeys(name for severity, name in alarms if told.get(name, severity) == "error"))


class Store:
    """The runs below one folder, which need not be there yet."""

    def __init__(self, root: Path | str) -> None:
        self.root = writable(root)

    def folder(self, dataset: str, run_id: str) -> Path:
        return self.root / dataset / run_id

    def record(self, dataset: str, run_id: str) -> Record | None:
        """The stored run, or None when nothing of it is stored."""
        return self._read(self.folder(dataset, run_id))

    def records(self) -> Iterator[Record]:
        """All stored runs, in the order of their folders' names."""
        for place in self.places():
            record = self.record(*place)
            if record is not None:
                yield record

    def places(self) -> Iterator[tuple[str, str]]:
        """Data set and run id of every folder that may hold a run, sorted."""
        for dataset in _folders(self.root):
            for run_id in _folders(self.root / dataset):
                yield dataset, run_id

    def find(self, run: str) -> Record:
        """The run that `run` names: a run id or the start of one, alone or after its data set, or a run's folder."""
        places, told = list(self.places()), Path(run).resolve()
        named = [place for place in places if run in (place[1], "/".join(place))]
        named = named or [place for place in places if place[1] == told.name and self.folder(*place).resolve() == told]
        named = named or [
            place for place in places if place[1].startswith(run) or ("/" in run and "/".join(place).startswith(run))
        ]
        matches = [record for place in named if (record := self.record(*place)) is not None]
        if len(matches) == 1:
            return matches[0]
        if not matches:
            known = [place[1] for place in places if (self.folder(*place) / "spec.json").exists()]
            mend = nearest(run, known) if known else "give --runs, or train some: harness run"
            raise BadInput(run, f"no such run in {self.root}", mend)
        ids = [f"{record.folder.parent.name}/{record.run_id}" for record in matches]
        raise BadInput(run, f"names {len(ids)} runs: {some(ids)}", "give more of the one that is meant")

    def thumbnail(self, dataset: str, clip_id: str) -> Path:
        """Where a small picture of a test clip lies, if there is one; any clip id makes a file name."""
        name = hashlib.sha256(clip_id.encode(errors="backslashreplace")).hexdigest()[:16]
        return self.root / ".thumbnails" / dataset / f"{name}.jpg"

    def write_plan(self, grid: str, plan: Mapping[str, Any]) -> None:
        try:
            write_json(self.root / "plans" / f"{grid}.json", plan)
        except Unwritable as error:
            mend = "make room, or give --runs a folder of your own"
            raise BadInput(str(self.root), f"can't be written to ({error.strerror})", mend) from error

    def read_plan(self, grid: str) -> dict[str, Any]:
        path = self.root / "plans" / f"{grid}.json"
        if not path.exists():
            raise BadInput(str(path), f"the grid {grid!r} was never planned in this store", "run `harness plan` first")
        return read_json(path)

    def leased(self, dataset: str, run_id: str) -> bool:
        """Whether a worker holds the run that isn't known to be gone."""
        return leases.held(self.folder(dataset, run_id))

    @staticmethod
    def _read(folder: Path) -> Record | None:
        result = _read_if_there(folder / "result.json")
        try:
            spec = _read_if_there(folder / "spec.json")
        except Damaged:
            if result is not None:
                raise
            return None  # of a run that was cut off: it is trained again, and its files are written again
        return None if spec is None else Record(folder, spec, result or {})


def _folders(root: Path) -> list[str]:
    try:
        with os.scandir(root) as found:
            return sorted(entry.name for entry in found if entry.is_dir() and not entry.name.startswith("."))
    except FileNotFoundError:
        return []


def _read_if_there(path: Path) -> dict[str, Any] | None:
    """A spec or a result. Raises `BadInput` for one of a later version: nobody can know what it says."""
    try:
        found = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    schema = found.get("schema", 1)
    if type(schema) is not int or schema > SCHEMA:
        raise BadInput(str(path), f"has schema {schema!r}, this version knows {SCHEMA}", "update harness")
    return found
