"""Small words of Markdown: escaped text, tables, and numbers as people read them.

Everything that comes from a run (names, settings, messages) passes through `escape`, so that no method string
or error message can break a table or smuggle in markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tabulate import tabulate

from harness.statistics import deviation, mean
from harness.store.wording import chosen

_SPECIAL = re.compile(r"([\\`*\[\]<>|~&$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
_FOLDERS = re.compile(r"(?<![\w./])/(?:[^\s/'\":]+/)+")


def escape(text: str) -> str:
    """`text` as it stands, on one line, wherever Markdown puts it; what can't be printed is marked."""
    return _SPECIAL.sub(r"\\\1", plain(text))


def fenced(lines: Iterable[str]) -> str:
    """Lines of code as they stand: the fence is longer than any that is in them."""
    lines = [_marked(line) for line in lines]
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([fence, *lines, fence])


def plain(text: str) -> str:
    """`text` on one line, with a mark for each sign that can't be printed."""
    return _marked(" ".join(str(text).split()))


def _marked(text: str) -> str:
    return "".join(sign if sign.isprintable() else "�" for sign in text)


def without_folders(text: str) -> str:
    """Absolute paths cut to their last part: a table should not tell whose machine it was."""
    return _FOLDERS.sub("…/", text)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    """A pipe table of cells that are Markdown already; the columns in `right` are set flush right."""
    flush = set(right)
    align = ["right" if column in flush else "left" for column in range(len(header))]
    return tabulate(list(rows), list(header), tablefmt="pipe", disable_numparse=True, colalign=align)


def how_chosen(selection: str) -> str:
    """How the epoch that is reported was chosen; in bold where it was on the test clips."""
    words = escape(chosen(selection))
    return f"**{words}**" if selection == "oracle" else words


def spread(values: Sequence[float]) -> str:
    """Scores in [0, 1] as `mean ± standard deviation` in percent; a single one without a deviation."""
    if not values:
        return "–"
    wide = deviation(values)
    return f"{100 * mean(values):.1f}" + ("" if wide is None else f" ± {100 * wide:.1f}")
