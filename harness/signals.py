"""How a process is told to stop: Ctrl-C, SIGTERM, and the SIGUSR1 with which schedulers announce pre-emption.

Usually a signal interrupts at once. While a run trains (`patiently`) the first one only asks, so that the run can be
saved at its next step; the same one again, or a step that takes too long, interrupts.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
GRACE = 20.0  # seconds from the first signal to the interruption; launchers and SLURM kill after 30

_patient, _asked = False, 0  # 0, or the signal that asked


def install() -> None:
    """Makes this process listen. Its interruption is a `KeyboardInterrupt`, whichever signal it was."""
    for number in SIGNALS:
        signal.signal(number, _told)
    signal.signal(signal.SIGALRM, _interrupt)


def uninstall() -> None:
    """Signals end this process at once, as they do any other: while Python cleans up there is nothing to save."""
    for number in (*SIGNALS, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)


def asked() -> bool:
    """Whether whoever trains is to save and stop."""
    return bool(_asked)


@contextmanager
def patiently() -> Iterator[None]:
    """Inside, the first signal only asks. Raises `KeyboardInterrupt` at the end if it did."""
    global _patient, _asked
    _patient = True
    try:
        yield
        if _asked:
            raise KeyboardInterrupt
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _patient, _asked = False, 0


def _told(number: int, frame: Any) -> None:
    global _asked
    if not _patient or _asked == number:
        raise KeyboardInterrupt
    if not _asked:  # another signal than the first: a worker gets the terminal's and its starter's
        _asked = number
        signal.setitimer(signal.ITIMER_REAL, GRACE)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt
