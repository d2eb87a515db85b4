"""How counts, sizes, times and lists are said, the same everywhere."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from itertools import pairwise

SHOWN = 3  # of many
WIDTH = 110  # columns of lines that are wrapped
_TIMES = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def some(names: Iterable[str]) -> str:
    """The first few, and a sign that there are more."""
    names = list(names)
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")


def storage(count: float) -> str:
    """Bytes as people say them: `1.5 GB`, in powers of ten as disks are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:  # else it is 1000 once rounded
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB" if count < 999.5 else f"{count:,.0f} TB"


def duration(seconds: float) -> str:
    """Seconds as people say them, in the two largest units: `4.2 s`, `45 s`, `1 min 32 s`, `3 h 20 min`, `2 d 4 h`."""
    for (unit, size), (smaller, part) in pairwise(_TIMES):
        if round(seconds) >= size:
            whole, rest = divmod(round(seconds / part), size // part)
            return f"{whole} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{round(seconds, 1 if seconds < 9.95 else None):g} s"


def shortened(method: str) -> str:
    """A method for a line that people read: of a setting with many values the first few, and how many there are."""
    return re.sub(r"(?<==)[^(),|]*(?:\|[^(),|]*)+", lambda many: _few(many[0]), method)


def _few(values: str) -> str:
    parts = values.removesuffix("|").split("|")
    return values if len(parts) <= SHOWN + 1 else "|".join(parts[:SHOWN]) + f"|… {len(parts)} in all"


def printable(text: str) -> str:
    """Names of files may hold anything: what would steer a terminal, or can't be printed, is spelled out."""
    return "".join(sign if sign.isprintable() or sign == "\n" else repr(sign)[1:-1] for sign in text)


def wrapped(text: str, first: str, rest: str) -> list[str]:
    """Lines of `WIDTH`, the first of which opens with `first` and the others with `rest`; no word is broken."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
