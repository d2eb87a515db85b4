"""Files of ours: whole or not at all (written beside their place, synced, renamed), and damage is told by its path."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.errors import BadInput, Unwritable


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `path` whole or not at all: a reader or a power cut never sees half of it. Raises `Unwritable`."""
    write_chunks(path, [data])


def write_chunks(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    """The same for what is too large to be held in memory as a whole; what the chunks raise is raised as it is."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = beside.open("wb")
        try:
            for chunk in chunks:
                with _told(path):
                    file.write(chunk)
            with _told(path):
                file.flush()
                os.fsync(file.fileno())
        finally:
            with suppress(OSError):  # a full disk refuses once more what it has refused, and that is told already
                file.close()
        with _told(path):
            beside.replace(path)
    finally:
        with suppress(OSError):  # it is gone already, or on a disk that takes nothing any more
            beside.unlink()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Failures to write, by the path that was meant."""
    try:
        yield
    except OSError as error:
        raise Unwritable(error.errno, error.strerror, str(path)) from error


def clear_leftovers(folder: Path) -> None:
    """Removes half-written files of processes that died; only for who has the folder to itself."""
    for path in folder.glob(".*.*.*[0-9].*[0-9]"):
        path.unlink(missing_ok=True)


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


class Damaged(BadInput):
    """A stored file that was cut off, or overwritten."""


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises `Damaged`."""
    try:
        value = json.loads(path.read_bytes())
        if not isinstance(value, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as error:
        raise Damaged(str(path), f"is not JSON ({error})", "delete it; what is missing is trained again") from error
    return value


def read_lines(path: Path) -> list[dict[str, Any]]:
    """JSON objects, a line each; none where there is no file. Raises `Damaged`."""
    if not path.exists():
        return []
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
        if not all(isinstance(row, dict) for row in rows):
            raise ValueError("a line is not an object")
        return rows
    except (ValueError, RecursionError) as error:
        mend = "delete the run's folder to train it again"
        raise Damaged(str(path), f"is not JSON lines ({error})", mend) from error


def writable(path: Path | str) -> Path:
    """The folder `path`, there or to be made. Raises `BadInput` where a file stands in its way."""
    path = Path(path)
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise BadInput(str(path), f"{place} is a file", "give a folder")
    return path
