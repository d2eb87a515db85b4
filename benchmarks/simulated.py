"""A cluster that is not there: a clock that jumps, processes that can be killed, and a file server that takes its time.

What waits in the real world (`time.sleep`, threads, a request to the file server) switches to the next greenlet that is
due, so that code written for one process runs a thousand times over, unchanged, on one core. `Place` stands for
`pathlib.Path`: it answers the same calls, and each call asks the server as often as an NFS 4 client without cached
attributes would. A call takes effect when the server has answered its last request.
"""

from __future__ import annotations

import errno
import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from types import SimpleNamespace
from typing import Any

from filelock import Timeout
from greenlet import GreenletExit, getcurrent, greenlet

LISTED = 500  # entries of a folder in one answer: about 64 KiB of names
RETRY = 0.05  # seconds between two tries to get a lock, as `filelock` has it
SPAN = 10.0  # seconds over which the server's load is averaged


class Process:
    """What the threads of a process have in common."""

    def __init__(self, node: int, pid: int) -> None:
        self.node, self.pid, self.alive = node, pid, True
        self.locks: set[Place] = set()

    def end(self) -> None:
        """Whatever it was about to do it does not do any more; the system frees its locks and nothing else."""
        self.alive = False
        for place in self.locks:
            place.locked = False
        self.locks.clear()


class World:
    """Time, and whoever waits for a moment of it. Stands for the modules `time` and `threading`."""

    def __init__(self) -> None:
        self.now, self._hub, self._count = 0.0, getcurrent(), itertools.count()
        self._due: list[tuple[float, int, greenlet]] = []

    def start(self, process: Process, task: Callable[..., None], *arguments: Any) -> greenlet:
        thread = greenlet(lambda: task(*arguments), parent=self._hub)
        thread.process = process
        self.wake(thread, self.now)
        return thread

    def wake(self, thread: greenlet, moment: float) -> None:
        """Goes on with a thread then, and not when it was to go on before."""
        thread.turn = next(self._count)
        heapq.heappush(self._due, (moment, thread.turn, thread))

    def run(self) -> None:
        """Until nobody waits any more."""
        while self._due:
            moment, turn, thread = heapq.heappop(self._due)
            if turn == thread.turn and thread.process.alive:
                self.now = moment
                thread.switch()

    def sleep(self, seconds: float) -> None:
        self.wake(getcurrent(), self.now + seconds)
        self._hub.switch()

    def monotonic(self) -> float:
        return self.now

    def Event(self) -> Event:
        return Event(self)

    def Thread(self, target: Callable[[], None], daemon: bool) -> Thread:
        return Thread(self, target)


class Event:
    def __init__(self, world: World) -> None:
        self.world, self._set, self._waiting = world, False, list[greenlet]()

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        for thread in self._waiting:
            self.world.wake(thread, self.world.now)

    def wait(self, seconds: float) -> bool:
        if not self._set:
            self._waiting.append(getcurrent())
            self.world.sleep(seconds)
            self._waiting.remove(getcurrent())
        return self._set


class Thread:
    def __init__(self, world: World, target: Callable[[], None]) -> None:
        self.world, self.target, self.ended = world, target, Event(world)

    def start(self) -> None:
        self.world.start(getcurrent().process, self._run)

    def _run(self) -> None:
        self.target()
        self.ended.set()

    def join(self, seconds: float) -> None:
        self.ended.wait(seconds)


class Server:
    """Answers `capacity` requests a second, one after the other, each after `latency` seconds on the way."""

    def __init__(self, world: World, latency: float, capacity: float) -> None:
        self.world, self.latency, self.capacity = world, latency, capacity
        self.requests, self.load, self.slowest, self._free = Counter[str](), Counter[int](), 0.0, 0.0

    def ask(self, what: str, requests: int = 1) -> None:
        """Returns when a call that needs so many requests, one after the other, is answered."""
        if not getcurrent().process.alive:  # it is being cleared away, and cleans up as if it had not been killed
            raise GreenletExit
        now = self.world.now
        self.requests[what] += requests
        self.load[int(now / SPAN)] += requests
        self._free = max(self._free, now) + requests / self.capacity
        seconds = self._free - now + requests * self.latency
        self.slowest = max(self.slowest, seconds / requests)
        self.world.sleep(seconds)


class Place:
    """A path, and the file or folder that is there if one is."""

    __slots__ = ("changed", "data", "folder", "inside", "locked", "name", "parent", "server")

    def __init__(self, server: Server, name: str, parent: Place | None = None) -> None:
        self.server, self.name, self.parent = server, name, parent
        self.inside: dict[str, Place] = {}
        self.data: bytes | None = None
        self.changed, self.folder, self.locked = 0, False, False

    def __truediv__(self, name: str) -> Place:
        if name not in self.inside:
            self.inside[name] = Place(self.server, name, self)
        return self.inside[name]

    def __str__(self) -> str:
        return f"{self.parent}/{self.name}" if self.parent else self.name

    @property
    def there(self) -> bool:
        return self.folder or self.data is not None

    def exists(self) -> bool:
        self.server.ask("stat")
        return self.there

    def stat(self) -> SimpleNamespace:
        self.server.ask("stat")
        if not self.there:
            raise FileNotFoundError(str(self))
        return SimpleNamespace(st_mtime_ns=self.changed)

    @contextmanager
    def open(self, mode: str, encoding: str = "") -> Iterator[SimpleNamespace]:
        if mode == "rb":
            data = self.read_bytes()
            yield SimpleNamespace(fileno=lambda: self, read=lambda: data)
            return
        self.server.ask("write", 3)  # open, write, close
        if mode == "x" and self.there:
            raise FileExistsError(errno.EEXIST, str(self))
        yield SimpleNamespace(write=lambda text: self.put(text.encode(encoding)))

    def is_dir(self) -> bool:
        return self.folder

    def read_bytes(self) -> bytes:
        self.server.ask("read", 3 if self.there else 1)  # open, read, close
        if self.data is None:
            raise FileNotFoundError(str(self))
        return self.data

    def put(self, data: bytes) -> None:
        self.data = data
        self.touched()

    def touched(self) -> None:
        self.changed = int(self.server.world.now * 1e9) + 1

    def touch(self) -> None:
        self.server.ask("write", 3)  # the time set, or open, close
        self.put(self.data or b"")

    def utime(self) -> None:
        self.server.ask("touch")
        if not self.there:
            raise FileNotFoundError(str(self))
        self.touched()

    def stat_again(self) -> SimpleNamespace:
        """Of a file that is open: the server has just told it."""
        return SimpleNamespace(st_mtime_ns=self.changed)

    def mkdir(self, exist_ok: bool = False) -> None:
        self.server.ask("mkdir")
        self.made()

    def made(self) -> None:
        """It is a folder from here on, and so are those above."""
        place: Place | None = self
        while place and not place.folder:
            place.folder, place = True, place.parent

    def unlink(self, missing_ok: bool = False) -> None:
        self.server.ask("remove")
        self.data = None

    def vanish(self) -> None:
        self.data, self.folder = None, False

    def names(self) -> list[str]:
        """What a listing of the folder shows."""
        names = [place.name for place in list(self.inside.values()) if place.there]
        self.server.ask("list", 2 + len(names) // LISTED)
        if not self.folder:
            raise FileNotFoundError(str(self))
        return names

    def iterdir(self) -> list[Place]:
        return [self.inside[name] for name in self.names()]

    def glob(self, pattern: str) -> list[Place]:
        if not self.folder:
            self.server.ask("list")
            return []
        return [self.inside[name] for name in self.names() if fnmatch(name, pattern)]


class FileLock:
    """As `filelock.FileLock`: tried again and again until it is free."""

    def __init__(self, place: Place) -> None:
        self.place, self.server = place, place.server

    def acquire(self, timeout: float) -> None:
        end = self.server.world.now + timeout
        while True:
            self.server.ask("lock", 4)  # its folder made, opened as a new one and as an old one, locked
            self.place.parent.made()
            if not self.place.locked:
                self.place.locked = True
                getcurrent().process.locks.add(self.place)
                return
            self.server.ask("lock")  # close
            if self.server.world.now >= end:
                raise Timeout(str(self.place))
            self.server.world.sleep(RETRY)

    def release(self) -> None:
        self.server.ask("lock", 2)  # unlock, close
        self.place.locked = False
        getcurrent().process.locks.discard(self.place)
