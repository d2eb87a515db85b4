"""The run store: a folder a run, plain files in it, and nothing else to believe.

    RUNS/<dataset>/<run_id>/   spec.json environment.json history.jsonl alarms.jsonl predictions.parquet result.json
    RUNS/plans/<grid>.json     the resolved design of each grid that was planned here: cells, levels, run ids

Both halves of the product meet here, so this room knows no torch. Every file appears whole or not at all
(written beside its place, synced, renamed). A run is claimed by a lease file whose time is its heartbeat.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from harness.errors import BadInput, nearest

HEARTBEAT = 5.0  # seconds between two signs of life of a lease's holder
STALE = 12 * HEARTBEAT  # a lease without a sign of life for this long is free again


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `path` whole or not at all: a reader or a power cut never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Whole-file JSON with sorted keys and a final newline, NaN refused (it is not JSON)."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_bytes(path, _encode(text + "\n"))


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """JSON lines, the whole file at once."""
    lines = (json.dumps(row, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    write_bytes(path, _encode("".join(lines)))


def _encode(text: str) -> bytes:
    """UTF-8; a byte of a path that is no text (`\\udcff` to Python) becomes its JSON escape and reads back so."""
    return text.encode(errors="backslashreplace")


def read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError("not an object")
    except ValueError as error:
        raise BadInput(str(path), f"is not JSON ({error})", "delete it; what is missing is trained again") from error
    return value


def read_lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except ValueError as error:
        mend = "delete the run's folder to train it again"
        raise BadInput(str(path), f"is not JSON lines ({error})", mend) from error


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

    def history(self) -> list[dict[str, Any]]:
        return read_lines(self.folder / "history.jsonl")

    def alarms(self) -> list[dict[str, Any]]:
        return read_lines(self.folder / "alarms.jsonl")

    def errors(self, severities: Mapping[str, str] | None = None) -> list[str]:
        """The sentinels whose alarms are errors, each once; `severities` are other ones than those it raised with."""
        told = severities or {}
        alarms = self.alarms() if self.result.get("errors") else []
        return list(dict.fromkeys(a["sentinel"] for a in alarms if told.get(a["sentinel"], a["severity"]) == "error"))

    def environment(self) -> dict[str, Any]:
        path = self.folder / "environment.json"
        return read_json(path) if path.exists() else {}


def writable(path: Path | str) -> Path:
    """The folder `path`, there or to be made. Raises `BadInput` where a file stands in its way."""
    path = Path(path)
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise BadInput(str(path), f"{place} is a file", "give a folder")
    return path


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
        for spec in sorted(self.root.glob("*/*/spec.json")):
            record = self._read(spec.parent)
            if record is not None:
                yield record

    def find(self, run: str) -> Record:
        """The run that `run` names: a run id, the start of one, or a run's folder."""
        records, folder = list(self.records()), Path(run).resolve()
        matches = [r for r in records if r.run_id == run or r.folder.resolve() == folder]
        matches = matches or [r for r in records if r.run_id.startswith(run)]
        if len(matches) == 1:
            return matches[0]
        if not matches:
            mend = nearest(run, [r.run_id for r in records]) if records else "give --runs, or train some: harness run"
            raise BadInput(run, f"no such run in {self.root}", mend)
        raise BadInput(run, f"names {len(matches)} runs", "give more of the run id: " + matches[0].run_id)

    def write_plan(self, grid: str, plan: Mapping[str, Any]) -> None:
        write_json(self.root / "plans" / f"{grid}.json", plan)

    def read_plan(self, grid: str) -> dict[str, Any]:
        path = self.root / "plans" / f"{grid}.json"
        if not path.exists():
            raise BadInput(str(path), f"the grid {grid!r} was never planned in this store", "run `harness plan` first")
        return read_json(path)

    @contextmanager
    def lease(self, dataset: str, run_id: str) -> Iterator[bool]:
        """Claims a run: yields True to its one holder, who keeps it alive by heartbeat, and False to others."""
        path = self.folder(dataset, run_id) / "lease.json"
        holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.time(), "id": uuid.uuid4().hex}
        if self.leased(dataset, run_id) or not self._claim(path, holder):
            yield False
            return
        stop = threading.Event()
        beat = threading.Thread(target=_beat, args=(path, stop), daemon=True)
        beat.start()
        try:
            yield True
        finally:
            stop.set()
            beat.join()
            with self._lock():
                if _holder(path) == holder:  # a holder that was silent for too long may have lost it
                    path.unlink()

    def leased(self, dataset: str, run_id: str) -> bool:
        """Whether a living worker holds the run."""
        return not _free(self.folder(dataset, run_id) / "lease.json")

    def _claim(self, path: Path, holder: dict[str, Any]) -> bool:
        """Looking and writing are one act under the lock, or two takers of a dead lease could both succeed."""
        with self._lock():
            if not _free(path):
                return False
            write_json(path, holder)
            return True

    def _lock(self) -> FileLock:
        """Held for a moment, and freed by the system if its holder dies."""
        self.root.mkdir(parents=True, exist_ok=True)
        return FileLock(self.root / ".lock")

    @staticmethod
    def _read(folder: Path) -> Record | None:
        if not (folder / "spec.json").exists():
            return None
        result = folder / "result.json"
        return Record(folder, read_json(folder / "spec.json"), read_json(result) if result.exists() else {})


def _free(path: Path) -> bool:
    """Whether no living worker holds the lease: it is not there, was silent for long, or its process is gone."""
    try:
        silent = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return True
    holder = _holder(path)
    return silent > STALE or (holder.get("host") == socket.gethostname() and not _alive(holder.get("pid")))


def _holder(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except (FileNotFoundError, BadInput):
        return {}


def _alive(pid: Any) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, TypeError, OverflowError):
        return True
    return True


def _beat(path: Path, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT):
        with suppress(OSError):  # a file system that hiccups once must not end a lease
            os.utime(path)
