"""Faults that are planted in the process of a command before it begins: functions, so that they travel."""

from __future__ import annotations

import errno
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Act = Callable[[], Any]


def all_of(*plants: Act) -> None:
    for plant in plants:
        plant()


def at_step(step: int, act: Act) -> None:
    """Does something behind this process's step of that number (from 1), before the step is saved."""
    from harness.schedule import progress

    shown, steps = progress.RunBar.step, iter(range(1, 10**9))

    def shown_and_done(self: Any, *arguments: Any) -> None:
        shown(self, *arguments)
        if next(steps) == step:
            act()

    progress.RunBar.step = shown_and_done  # type: ignore[method-assign]


def after(kind: str, name: str, act: Act) -> None:
    """Does something behind each call of a method of what shows the progress."""
    from harness.schedule import progress

    shown = getattr(getattr(progress, kind), name)

    def shown_and_done(*arguments: Any) -> None:
        shown(*arguments)
        act()

    setattr(getattr(progress, kind), name, shown_and_done)


def tell(*numbers: int) -> None:
    """Signals to this process."""
    for number in numbers:
        os.kill(os.getpid(), number)


def dies_at(step: int) -> None:
    at_step(step, _die)


def finds_all_done() -> None:
    """Another job has ended the last run a moment ago, as this process sees it."""
    from harness.plan import Plan

    Plan.todo = lambda self, store: []  # type: ignore[method-assign]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dies_in(room: str, kind: str, name: str) -> None:
    """Dies instead of calling a method."""
    import importlib

    setattr(getattr(importlib.import_module(room), kind), name, lambda *arguments: _die())


def told_at(step: int, *numbers: int) -> None:
    import functools

    at_step(step, functools.partial(tell, *numbers))


def set_value(module: str, name: str, value: Any) -> None:
    """Another value of a constant."""
    import importlib

    setattr(importlib.import_module(module), name, value)


def move(old: Path, new: Path) -> None:
    old.rename(new)


def fill(disk: Path, but: int = 0) -> None:
    """Leaves no byte on a disk, or so many."""
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    os.truncate(disk / "filler", max((disk / "filler").stat().st_size - but, 0))


def no_room(*names: str) -> None:
    """As a full disk, where none can be mounted: files with such a part in their path can't be written."""
    sync = os.fsync

    def refused(file: int) -> None:
        if any(name in os.readlink(f"/proc/self/fd/{file}") for name in names):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(file)

    os.fsync = refused


def clock_jumps(seconds: float) -> None:
    now = time.time
    time.time = lambda: now() + seconds


def less_memory(room: int) -> None:
    """At most so many more bytes of address space than now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + room,) * 2)


def wait_for_file(file: Path) -> None:
    while not file.exists():
        time.sleep(0.05)


def count_steps(log: Path) -> None:
    """A line for each step that is trained, whichever process does it."""
    from harness.schedule import progress

    shown = progress.RunBar.step

    def counted(self: Any, *arguments: Any) -> None:
        shown(self, *arguments)
        with log.open("a") as file:
            file.write(f"{self.name}\n")

    progress.RunBar.step = counted  # type: ignore[method-assign]


def reads_hang(times: int) -> None:
    """Rows are read from the disk as they are needed, and so many of those reads never come back."""
    from harness.data import loading, shelf

    read, hanging = shelf.Rows.__getitem__, iter(range(times + 5))

    def slow(self: Any, index: Any) -> Any:
        if next(hanging, 0) >= 5:
            time.sleep(3600)
        return read(self, index)

    loading.STALLED = 2.0
    loading._room = lambda device: 0
    shelf.Rows.__getitem__ = slow  # type: ignore[method-assign]
