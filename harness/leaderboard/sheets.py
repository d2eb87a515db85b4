"""Tables as CSV files, which programs read and people open in spreadsheets."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

CHUNK = 10_000  # rows that are in memory as text at once


def as_csv(rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """A CSV table, piece by piece, in which every cell is a number or plain text to whoever opens it."""
    rows = iter(rows)
    while piece := list(itertools.islice(rows, CHUNK)):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(map(_inert, row) for row in piece)
        yield text.getvalue().encode(errors="backslashreplace")


@lru_cache(CHUNK)
def _inert(cell: str) -> str:
    """No line break within a cell, and an apostrophe before what a spreadsheet would run as a formula.

    Names of ours begin with a letter, so only a name that is meant to be run, and no cell of a sound store, changes.
    """
    cell = cell.translate(_BREAKS)
    return f"'{cell}" if cell.lstrip()[:1] in _FORMULA and not _NUMBER.fullmatch(cell) else cell


_BREAKS = dict.fromkeys([*range(32), 0x7F, 0x85, 0x2028, 0x2029], " ")
_FORMULA = ("=", "+", "-", "@")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(inf|nan)", re.ASCII)


def number(value: float | None, digits: int = 10) -> str:
    """As many digits as are the same on every processor: ten of a score, which is more than it has. Empty for None."""
    return "" if value is None else f"{value:.{digits}g}"
