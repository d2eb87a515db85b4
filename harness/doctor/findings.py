"""What a check of the doctor says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was found, what shows it, and what to do; without a mend it is a remark: nothing is wrong with it."""

    check: str
    what: str
    evidence: str
    mend: str = ""


@dataclass(frozen=True)
class Trouble:
    """What a room of the product refused when the doctor asked it: a `BadInput`, or another error without a mend."""

    where: str
    what: str
    mend: str


def trouble(error: Exception, mend: str) -> Trouble:
    """The trouble behind an error; `mend` where the error knows none."""
    told = str(getattr(error, "what", "")) or f"{type(error).__name__}: {error}"
    return Trouble(str(getattr(error, "where", "")), told, getattr(error, "mend", "") or mend)
