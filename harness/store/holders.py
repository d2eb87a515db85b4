"""Who holds a lease: which process of which machine, and whether it is no more.

A process is told by the place where its number means it, by that number, and by when it started. Of processes
elsewhere nothing can be known but the signs of life of their leases.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """What a lease says of its holder."""
    return {"place": place(), "pid": os.getpid(), "started": started(os.getpid())}


def gone(lease: dict[str, Any]) -> bool:
    """Whether the holder was a process of this machine, and is no more."""
    return here(lease) and not _alive(lease["pid"], lease["started"])


def here(lease: dict[str, Any]) -> bool:
    """Whether the holder is, or was, a process of this machine."""
    return bool(lease.get("place")) and lease["place"] == place()


def place() -> str:
    """Where a process id means the same process; empty where that can't be known.

    Containers may share host name and kernel but not process ids; machines may share a host name but not a start.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _alive(pid: int, since: str | None) -> bool:
    """Whether the process that started then still runs: its number may have been given to another since."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return started(pid) in (since, None)


def started(pid: int) -> str | None:
    """When a process started, in ticks since the machine did; "" once it has ended, None where that can't be read."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    state, *numbers = stat.rpartition(")")[2].split()
    return "" if state in "ZX" else numbers[18]
