"""Leases: who works on a run now, agreed on by all processes that share a store, whatever their clocks say.

A lease is a run's `lease.json`: its text names the holder, its modification time is the holder's sign of life and only
ever compared with itself. An observer takes over what it has seen unchanged for long by its own clock, or at once from
a process of this machine that is gone. Claiming, committing and releasing happen under the run's lock; who was
suspended and lost its lease learns it at the commit at the latest, and stores nothing.

A lease also says how many processes in a row died over the run without getting any further: some runs kill whoever
trains them.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from harness.errors import BadInput, Unwritable
from harness.store import holders

HEARTBEAT = 5.0  # seconds between two signs of life of a holder
STALE = 12 * HEARTBEAT  # seconds that an observer sees no sign of life before it takes a lease over
PATIENCE = 10 * STALE  # seconds to wait for a lock, which nobody holds for more than a moment
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)

Commit = Callable[[], AbstractContextManager[bool]]
Seen = tuple[int, bytes] | None  # a lease's time and text, if there is one


class Lease:
    """A run that this process holds, until it is released or lost; see `deaths` for those of its holders before."""

    def __init__(self, path: Path, deaths: int) -> None:
        self.path, self.deaths, self.id = path, deaths, uuid.uuid4().hex
        self._lost, self._released, self._left = threading.Event(), threading.Event(), False

    @property
    def lost(self) -> bool:
        """Whether another process has taken the run over, as far as a heartbeat or a commit has seen; it is final."""
        return self._lost.is_set()

    @contextmanager
    def commit(self) -> Iterator[bool]:
        """Whether the run is still this process's: if so, nobody can take it over before the context ends."""
        with _locked(self.path.parent, wait=PATIENCE):
            if not self._mine():
                self._lost.set()
            yield not self.lost

    def leave(self) -> None:
        """Leaves the lease behind as a process that dies does: whoever comes next counts a death."""
        self._left = True

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Gives signs of life, and frees the lease in the end."""
        beat = threading.Thread(target=self._beat, daemon=True)
        beat.start()
        try:
            yield
        finally:
            self._released.set()
            beat.join(HEARTBEAT)  # one that hangs in a dead file system must not keep the process
            with suppress(OSError, BadInput), _locked(self.path.parent, wait=HEARTBEAT):
                if self._mine() and not self._left:
                    self.path.unlink()

    def _beat(self) -> None:
        while not self._released.wait(HEARTBEAT):
            with suppress(OSError):  # a file system that hiccups must not end a lease: the next beat tries again
                if self._mine():
                    os.utime(self.path)
                elif self.path.parent.exists():  # a folder that vanished may come back
                    self._lost.set()
                    return

    def _mine(self) -> bool:
        return _parse(_look(self.path)).get("id") == self.id


class Leases:
    """The leases of a store as this process has seen them; keep one for as long as you wait for runs."""

    def __init__(self) -> None:
        self._awake, self._last = 0.0, time.monotonic()
        self._seen: dict[Path, tuple[Seen, float]] = {}  # what a lease said, and since when by the time awake
        self._refused: dict[Path, float] = {}  # since when its lock was held at each try, by the time awake

    @contextmanager
    def claim(self, folder: Path) -> Iterator[Lease | None]:
        """Claims the run of a folder: yields the lease to its one holder and None to others.

        Raises `BadInput` where files can't be locked.
        """
        lease = self._take(folder / "lease.json")
        with lease._kept() if lease else nullcontext():
            yield lease

    def rest(self, seconds: float) -> None:
        """Sleeps, and knows that it was awake: what it saw before and sees again was silent for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, HEARTBEAT))
            self._pass_time()

    def _take(self, path: Path) -> Lease | None:
        """Looking and writing are one act under the lock, or two takers of a dead lease could both succeed."""
        if not self._free(path, _look(path)):
            self._refused.pop(path, None)
            return None
        try:
            with _locked(path.parent, wait=0):
                self._refused.pop(path, None)
                seen = _look(path)
                if not self._free(path, seen):
                    return None
                self._seen.pop(path, None)
                lease = Lease(path, _deaths(path.parent, seen))
                history = {"deaths": lease.deaths, "reached": _reached(path.parent)}
                text = json.dumps({"id": lease.id, **holders.this_process(), **history}) + "\n"
                return lease if _write(path, text, new=seen is None) else None
        except Timeout:  # another claims, commits or releases it this very moment
            self._pass_time()
            if self._awake - self._refused.setdefault(path, self._awake) > PATIENCE:
                _give_up(path.parent)
            return None

    def _free(self, path: Path, seen: Seen) -> bool:
        if seen is None or holders.gone(_parse(seen)):
            return True
        return self._unchanged_for(path, seen) > STALE

    def _unchanged_for(self, path: Path, seen: Seen) -> float:
        """Seconds awake for which looks at a lease have shown the same."""
        self._pass_time()
        before, since = self._seen.get(path, (None, self._awake))
        if seen != before:
            since = self._awake
        self._seen[path] = (seen, since)
        return self._awake - since

    def _pass_time(self) -> None:
        """A gap between two signs of being awake counts as one heartbeat at most.

        The observer may have been suspended together with the holder, who then deserves the time for a sign of life.
        """
        now = time.monotonic()
        self._awake += min(now - self._last, HEARTBEAT)
        self._last = now


def held(folder: Path) -> bool:
    """Whether a run's folder has a lease whose holder is not known to be gone; one look can't tell a silent holder."""
    seen = _look(folder / "lease.json")
    return seen is not None and not holders.gone(_parse(seen))


def holder(folder: Path) -> int | None:
    """The process of this machine that holds a run, if one does."""
    lease = _parse(_look(folder / "lease.json"))
    return lease["pid"] if holders.here(lease) and not holders.gone(lease) else None


def deaths(folder: Path) -> int:
    """How many holders in a row died over a run without a checkpoint more, if its present one is no more."""
    return _deaths(folder, _look(folder / "lease.json"))


def _deaths(folder: Path, seen: Seen) -> int:
    lease = _parse(seen)
    return lease["deaths"] + 1 if lease and lease.get("reached") == _reached(folder) else 0


def _reached(folder: Path) -> str:
    """How far a run got: the name of its last checkpoint."""
    return max((path.name for path in (folder / "checkpoint").glob("*-*")), default="")


@contextmanager
def _locked(folder: Path, *, wait: float) -> Iterator[None]:
    """A run's lock, held for a moment and freed by the system when its holder dies.

    `wait` in seconds; 0 raises `Timeout` when it is taken, more raises `BadInput` in the end. Raises `Unwritable`.
    """
    path = _lock_of(folder)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=wait)  # which makes the folder
    except Timeout:
        if wait:
            _give_up(folder)
        raise
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise Unwritable(error.errno, error.strerror, str(path)) from error
        mend = "mount it with file locks (NFS 4, or Lustre with `flock`), or give --runs on another one"
        raise BadInput(str(path.parent), f"its file system locks no files ({error})", mend) from error
    try:
        yield
    finally:
        lock.release()


def _write(path: Path, text: str, *, new: bool) -> bool:
    """Whether it did: a `new` lease may be there after all, since a client of NFS believes for a while that it is not.

    Raises `Unwritable`, and leaves no half of it that nobody could read.
    """
    opened = False
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("x" if new else "w", encoding="utf-8") as file:  # to make a file the client asks the server
            opened = True
            file.write(text)
    except OSError as error:
        if error.errno == errno.EEXIST and new and path.parent.is_dir():
            return False
        if opened:
            with suppress(OSError):
                path.unlink()
        raise Unwritable(error.errno, error.strerror, str(path)) from error
    return True


def _lock_of(folder: Path) -> Path:
    """Beside the runs, and shared by those whose ids end alike: a lock can't be removed, and runs are many."""
    return folder.parent / ".locks" / folder.name[-2:]


def _give_up(folder: Path) -> None:
    what = f"has been locked for {PATIENCE:.0f} s by a process that stands still"
    raise BadInput(str(_lock_of(folder)), what, "let that process go on or end it; delete the file if there is none")


def _look(path: Path) -> Seen:
    """The lease as a value that changes with each sign of life; None where there is none."""
    try:
        with path.open("rb") as file:  # opening asks the server of a network file system; `stat` may not
            return os.fstat(file.fileno()).st_mtime_ns, file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ESTALE:  # released between opening and reading
            return None
        raise


def _parse(seen: Seen) -> dict[str, Any]:
    """What the lease says of its holder; nothing where it can't be read."""
    try:
        value = json.loads(seen[1]) if seen else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
