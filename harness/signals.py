"""How a process is told to stop: Ctrl-C, SIGTERM, the SIGUSR1 with which schedulers announce pre-emption, and the
SIGUSR2 with which a process passes any of them on to its workers.

Usually a signal interrupts at once. While a run trains (`patiently`) the first one only asks, so that the run can be
saved at its next step; the same one again, or a step that takes too long, interrupts. A process that does not even
come back from there (a read that hangs, a partner that does not answer) is ended (`bounded`). So while it leaves, no
further signal needs to be heard.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
GRACE = 20.0  # seconds from the first signal to the interruption; launchers and SLURM kill after 30
LAST = 8.0  # seconds from then to the end of a process that can't be interrupted
INTERRUPTED = 3  # exit code

_patient, _asked = False, 0  # 0, or the signal that asked
_bounded, _leaving = False, False


class Interrupted(KeyboardInterrupt):
    """A signal's interruption. Python remembers a `KeyboardInterrupt` itself that leaves any `exec`, as imports have,
    and ends `python -m` by SIGINT for it even where it was caught; a kind of its own it forgets.
    """


def install() -> None:
    """Makes this process listen. Its interruption is a `KeyboardInterrupt`, whichever signal it was."""
    global _bounded, _leaving
    _bounded = _leaving = False
    for number in SIGNALS:
        signal.signal(number, _told)
    signal.signal(signal.SIGALRM, _interrupt)


def uninstall() -> None:
    """Signals end this process at once, as they do any other: while Python cleans up there is nothing to save.

    One that leaves already goes on to its own exit code.
    """
    for number in (*SIGNALS, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN if _leaving else signal.SIG_DFL)


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
    finally:
        _patient = False  # from here on a signal interrupts at once
        signal.setitimer(signal.ITIMER_REAL, 0)
        told, _asked = _asked, 0
        if told:  # whatever else happened: the wish to stop outlives it
            _leave()


@contextmanager
def bounded() -> Iterator[None]:
    """Inside, and behind it where a signal came, this process is gone some time after the first signal, come what may.

    Python runs handlers between its own steps, and waits for its threads at the end: both may take for ever.
    """
    global _bounded
    heard, tells = os.pipe()
    os.set_blocking(tells, False)
    before = signal.set_wakeup_fd(tells, warn_on_full_buffer=False)
    counting = threading.Event()
    threading.Thread(target=_end_after, args=(heard, counting), daemon=True).start()
    _bounded = True
    try:
        yield
    finally:
        _bounded = False
        if not counting.is_set():
            signal.set_wakeup_fd(before)
            os.close(tells)


def _end_after(heard: int, counting: threading.Event) -> None:
    while number := os.read(heard, 1):
        if number[0] in SIGNALS:
            counting.set()
            time.sleep(GRACE + LAST)
            os._exit(INTERRUPTED)
    os.close(heard)


def _told(number: int, frame: Any) -> None:
    global _asked
    if _leaving:
        return
    if not _patient or _asked == number:
        _leave()
    if not _asked:  # another signal than the first: a worker gets the terminal's and its starter's
        _asked = number
        signal.setitimer(signal.ITIMER_REAL, GRACE)


def _interrupt(number: int, frame: Any) -> None:
    if not _leaving:
        _leave()


def _leave() -> NoReturn:
    """Interrupts, and where the end is certain only once: a second one would leave the first one's `except`."""
    global _leaving
    _leaving = _bounded
    raise Interrupted
