"""The exceptions a caller of *harness* needs to know, and the words they are told in.

Whatever a user can get wrong (a name, a value, a path, a file) ends in `BadInput`: one line that says where,
what was found, and how to mend it. The door prints that line and exits with 2; nothing has started by then. What
can't be stored is `Unwritable`, a process that can't go on for want of others or of its device is `Deserted`: the door
says so and exits with 3, since the same command goes on once the cause is gone.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from harness.words import printable

_SHOWN = 20  # known names listed where none is near


class BadInput(Exception):
    """Input that can't be used. `where` names the place, `what` the value, `mend` what to do about it."""

    def __init__(self, where: str, what: str, mend: str = "") -> None:
        self.where, self.what, self.mend = str(where), what, mend
        text = f"{where}: {what}" + (f" — {mend}" if mend else "")
        super().__init__(printable(" ".join(map(str.strip, text.splitlines()))))


class Unwritable(OSError):
    """A file that can't be written: its disk is full, gone, or write-protected. What was stored before is whole."""

    def __str__(self) -> str:
        return f"{self.filename}: can't be written ({self.strerror})"


class Deserted(Exception):
    """This process can't go on: one that trains along went away or took the run over, or the device takes no work."""


def headline(error: Mapping[str, Any]) -> str:
    """What a run died of, in a line: of the `error` that its result holds."""
    lines = str(error.get("message", "")).strip().splitlines()
    return printable(f"{error.get('type', 'Error')}: {lines[0] if lines else 'no message'}")


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean a, b?` for a mistyped name, or the list of what is known when nothing is near."""
    known = sorted(set(known))
    spelt = {other.casefold(): other for other in known}
    close = difflib.get_close_matches(name.casefold(), spelt, n=3, cutoff=0.5)
    if close:
        return "did you mean " + ", ".join(spelt[other] for other in close) + "?"
    return "known: " + (", ".join(known[:_SHOWN]) or "none") + (", …" if len(known) > _SHOWN else "")
