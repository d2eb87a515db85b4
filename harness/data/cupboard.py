"""What lies in the cache folder, and how room is made there. All of it can be made again, so clearing asks nothing.

A shelf of features or frames is a folder that says in `about.json` what it holds and, by that file's time, when it was
last used. What a living process reads stays, and what is being made.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.data import usage
from harness.errors import BadInput
from harness.variables import cache_folder

KINDS = FEATURES, FRAMES, MINIATURES, PROBES, HF = ("features", "frames", "miniatures", "probes", "hf")
SHELVES = FEATURES, FRAMES
_HALF = re.compile(r"^\.|(\.part|\.gone|\.[0-9]+)+$")  # what the name of something half made or half removed has more
_DAY = 24 * 60 * 60.0


@dataclass(frozen=True)
class Holding:
    """One thing that is kept: a shelf, or all miniatures, probes or unpacked Hugging Face sets together."""

    kind: str
    folder: str
    bytes: int
    used: float  # seconds since the epoch
    about: Mapping[str, Any]


def home(kind: str) -> Path:
    """The folder of all things of a kind, made where it is not there. Raises `BadInput` where it can't be."""
    folder = cache_folder() / kind
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"{folder} can't be made ({error.strerror})"
        raise BadInput("HARNESS_CACHE", what, "make room, or name another folder there") from error
    return folder


def holdings() -> list[Holding]:
    """All that is kept, the least recently used first."""
    home = cache_folder()  # as it is: who looks makes nothing
    shelves = [(kind, folder) for kind in SHELVES for folder in sorted((home / kind).glob("*/"))]
    others = [(kind, home / kind) for kind in KINDS if kind not in SHELVES]
    found = [_holding(kind, folder) for kind, folder in [*shelves, *others]]
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
    times = [_stat(path).st_mtime for path in ([about] if about in files else files)]
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
            yield folder / ("lock" if kind == MINIATURES else f"{_HALF.sub('', path.name)}.lock"), [path]


def _shard(path: Path) -> str:
    """The shard that a file belongs to: `abc.safetensors`, its `abc.lock`, or the half `.abc.safetensors.1.2`."""
    return path.name.removeprefix(".").partition(".")[0]


def _removed(lock: Path, paths: Sequence[Path], dry_run: bool) -> int:
    """Bytes that were freed: none where somebody holds the lock, or uses what is there."""
    if dry_run and not lock.exists():
        return sum(_size(path) for path in paths if not usage.used(path))
    import filelock

    try:
        with filelock.FileLock(lock, timeout=0):
            going = [path for path in paths if not usage.used(path)]
            size = sum(map(_size, going))
            for path in () if dry_run else going:
                _remove(path)
    except filelock.Timeout:
        return 0
    return size


def _remove(path: Path) -> None:
    """A folder under another name first: were this process killed, the rest of it would pass for the whole."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    going = path if path.name.startswith(".") else path.with_name(f".{path.name}.gone")
    if going != path:
        shutil.rmtree(going, ignore_errors=True)  # of one that was killed
        path.rename(going)
    shutil.rmtree(going)


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
