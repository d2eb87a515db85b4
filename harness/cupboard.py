"""What lies in the cache folder, and how room is made there. All of it can be made again, so clearing asks nothing.

A shelf of features or frames is a folder that says in `about.json` what it holds and, by that file's time, when it was
last used. A shelf that a living process reads stays, and what is being made. Imports nothing heavy at the top: the door
declares these commands whenever it opens.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import usage
from harness.weights import cache_folder
from harness.words import storage

SHELVES = ("features", "frames")
KINDS = (*SHELVES, "miniatures", "probes", "hf")
_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_DAY = 24 * 60 * 60.0


@dataclass(frozen=True)
class Holding:
    """One thing that is kept: a shelf, or all miniatures, probes or unpacked Hugging Face sets together."""

    kind: str
    folder: str
    bytes: int
    used: float  # seconds since the epoch
    about: Mapping[str, Any]


def holdings() -> list[Holding]:
    """All that is kept, the least recently used first."""
    root = cache_folder()
    shelves = [(kind, folder) for kind in SHELVES for folder in sorted((root / kind).glob("*/"))]
    found = [_holding(kind, folder) for kind, folder in [*shelves, *((kind, root / kind) for kind in KINDS[2:])]]
    return sorted((each for each in found if each.bytes), key=lambda each: (each.used, each.folder))


def clear(kind: str = "", keep: int = 0, older_than: float = 0.0, *, dry_run: bool = False) -> list[Holding]:
    """Removes the least recently used until what is left (of this kind) fits into `keep` bytes, and tells what went.

    Only what was not used for `older_than` days goes, and nothing that is in use. `bytes` are what was freed.
    """
    found = [each for each in holdings() if kind in ("", each.kind)]
    left, gone = sum(each.bytes for each in found), []
    for each in found:
        folder = Path(each.folder)
        if left <= keep or (older_than and time.time() - each.used < older_than * _DAY):
            break  # all others were used later
        if usage.used(folder):
            continue
        freed = sum(_removed(lock, paths, dry_run) for lock, paths in list(_pieces(each.kind, folder)))
        if each.kind in SHELVES and not dry_run:
            _close(folder)
        left -= freed
        gone += [replace(each, bytes=freed)] if freed else []
    return gone


def _holding(kind: str, folder: Path) -> Holding:
    about = folder / "about.json"
    files = [path for path in folder.rglob("*") if path.is_file()]
    used = folder.glob("*/") if kind == "miniatures" else ()  # whoever uses some touches their folder
    times = [_stat(path).st_mtime for path in ([about] if about in files else [*files, *used])]
    told: Any = {}
    with suppress(OSError, ValueError):  # a shelf that can't say what it holds can still be cleared
        told = json.loads(about.read_bytes())
    told = told if isinstance(told, dict) else {}
    return Holding(kind, str(folder), sum(_stat(path).st_size for path in files), max(times, default=0.0), told)


def _pieces(kind: str, folder: Path) -> Iterator[tuple[Path, list[Path]]]:
    """What is removed together, with the lock that is held while somebody makes it."""
    if kind in SHELVES:
        files = [path for path in sorted(folder.iterdir()) if path.name not in ("about.json", usage.FILE)]
        for shard, own in itertools.groupby(sorted(files, key=_shard), _shard):
            lock = folder / f"{shard}.lock"
            yield lock, [*({*own} - {lock}), lock]
        return
    for path in sorted(folder.iterdir()):
        if path.suffix != ".lock" and path.name != "lock":
            yield folder / "lock" if kind == "miniatures" else Path(f"{path}.lock"), [path]


def _shard(path: Path) -> str:
    """The shard that a file belongs to: `abc.safetensors`, its `abc.lock`, or the half `.abc.safetensors.1.2`."""
    return path.name.removeprefix(".").partition(".")[0]


def _removed(lock: Path, paths: Sequence[Path], dry_run: bool) -> int:
    """Bytes that were freed: none where somebody holds the lock."""
    size = sum(_size(path) for path in paths)
    if dry_run and not lock.exists():
        return size
    import filelock

    try:
        with filelock.FileLock(lock, timeout=0):
            for path in () if dry_run else paths:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    except filelock.Timeout:
        return 0
    return size


def _close(folder: Path) -> None:
    """Removes a shelf on which nothing is left."""
    if {path.name for path in folder.iterdir()} <= {"about.json", usage.FILE}:
        for path in folder.iterdir():
            path.unlink()
    with suppress(OSError):  # somebody is filling it
        folder.rmdir()


def _size(path: Path) -> int:
    return sum(_stat(each).st_size for each in [path, *path.rglob("*")] if not each.is_dir())


def _stat(path: Path) -> os.stat_result:
    """Of a file that may just have gone."""
    try:
        return path.stat()
    except FileNotFoundError:
        return os.stat_result([0] * 10)


# ── commands ────────────────────────────────────────────────────────────────────────────────────────────────


def declare(command: Callable[[str, Any, str], argparse.ArgumentParser]) -> None:
    """Adds the commands to the door; `command` makes a parser there."""
    parser = command("list", show, "what is kept, how large it is and when it was last used")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser = command("clear", empty, "remove what is not in use; it is made again when it is needed")
    parser.add_argument("--kind", choices=KINDS, default="", help="only of this kind (default: of every kind)")
    parser.add_argument(
        "--keep", type=_bytes, default=0, metavar="SIZE", help="only the least recently used, until the rest fits: 20GB"
    )
    parser.add_argument("--older-than", type=_days, default=0.0, metavar="DAYS", help="only what was not used since")
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")


def show(arguments: argparse.Namespace, argv: list[str]) -> int:
    found, folder = holdings(), cache_folder()
    total = sum(each.bytes for each in found)
    if arguments.json:
        rows = [{**asdict(each), "used": _when(each).isoformat()} for each in found]
        print(json.dumps({"folder": str(folder), "bytes": total, "holdings": rows}, indent=2))
        return 0
    if found:
        print(_table(found), end="\n\n")
    print(f"{storage(total)} in {folder}")
    return 0


def empty(arguments: argparse.Namespace, argv: list[str]) -> int:
    gone = clear(arguments.kind, arguments.keep, arguments.older_than, dry_run=arguments.dry_run)
    if gone:
        print(_table(gone), end="\n\n")
    verb = "would be freed" if arguments.dry_run else "freed"
    print(f"{storage(sum(each.bytes for each in gone))} {verb} in {cache_folder()}")
    return 0


def _table(rows: Sequence[Holding]) -> str:
    from tabulate import tabulate

    cells = []
    for each in rows:
        name = Path(each.folder).name if each.kind in SHELVES else ""
        used = _when(each).strftime("%Y-%m-%d %H:%M")
        cells.append([each.kind, name, storage(each.bytes), used, _said(each.about)])
    return tabulate(cells, ["kind", "shelf", "size", "last used (UTC)", "of"], disable_numparse=True)


def _when(each: Holding) -> datetime:
    return datetime.fromtimestamp(round(each.used), UTC)


def _said(about: Mapping[str, Any]) -> str:
    """What a shelf says of itself, on a line: `caer, frames 16, context full, …`."""
    words = [str(about["dataset"])] if "dataset" in about else []
    for name, value in about.items():
        if isinstance(value, Mapping):
            words += [f"{key} {part}" for key, part in value.items()]
        elif name not in ("dataset", "kind"):
            words.append(f"{name} {value}")
    return ", ".join(words)


def _bytes(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([kmgt]?b)?", text.strip().lower())
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 20GB or 500MB")
    return int(float(match[1]) * _UNITS[match[2] or "b"])


def _days(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days from 0")
    return float(text)
