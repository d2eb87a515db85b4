"""Which folders of the cache living processes use: each holds a shared lock there, which ends with the process.

Where a file system has no locks, nothing is known to be in use.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import IO

FILE = "in-use"
_held: dict[Path, IO[bytes]] = {}


def use(folder: Path) -> None:
    """This process uses the folder, which is there, until it ends."""
    if folder in _held and (folder / FILE).exists():
        return
    with suppress(OSError):  # a cache that can't be written to is not cleared from here either
        file = (folder / FILE).open("ab")
        fcntl.flock(file, fcntl.LOCK_SH)  # waits for who just asks
        _held[folder] = file
        os.utime(folder / FILE)  # tells when it was last used


def used(folder: Path) -> bool:
    """Whether any process uses it now."""
    try:
        with (folder / FILE).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
