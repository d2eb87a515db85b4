"""How counts and lists are said, the same everywhere."""

from __future__ import annotations

from collections.abc import Iterable

SHOWN = 3  # of many


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def some(names: Iterable[str]) -> str:
    """The first few, and a sign that there are more."""
    names = list(names)
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")


def storage(count: float) -> str:
    """Bytes as people say them: `1.5 GB`, in powers of ten as disks are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB"


def printable(text: str) -> str:
    """Names of files may hold anything: what would steer a terminal, or can't be printed, is spelled out."""
    return "".join(sign if sign.isprintable() or sign == "\n" else repr(sign)[1:-1] for sign in text)
