"""Small words of Markdown: escaped text, tables, and numbers as people read them.

Everything that comes from a run (names, settings, messages) passes through `escape`, so that no method string
or error message can break a table or smuggle in markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tabulate import tabulate

from harness.statistics import deviation, mean

_SPECIAL = re.compile(r"([\\`*\[\]<>|~&$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
_FOLDERS = re.compile(r"(?<![\w./])/(?:[^\s/'\":]+/)+")


def escape(text: str) -> str:
    """`text` as it stands, on one line, wherever Markdown puts it."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def without_folders(text: str) -> str:
    """Absolute paths cut to their last part: a table should not tell whose machine it was."""
    return _FOLDERS.sub("…/", text)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    """A pipe table of cells that are Markdown already; the columns in `right` are set flush right."""
    flush = set(right)
    align = ["right" if column in flush else "left" for column in range(len(header))]
    return tabulate(list(rows), list(header), tablefmt="pipe", disable_numparse=True, colalign=align)


def spread(values: Sequence[float]) -> str:
    """Scores in [0, 1] as `mean ± standard deviation` in percent; a single one without a deviation."""
    if not values:
        return "–"
    wide = deviation(values)
    return f"{100 * mean(values):.1f}" + ("" if wide is None else f" ± {100 * wide:.1f}")


def points(value: float) -> str:
    """A difference of scores in percentage points, always with its sign."""
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")
