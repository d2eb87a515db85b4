"""What a terminal can show: colours only where one listens, and never where the user asked for none.

`NO_COLOR`, set to anything, means none (no-color.org); a terminal that calls itself `dumb` gets none either.
"""

from __future__ import annotations

import os
import sys

_CODES = {"red": 31, "green": 32, "yellow": 33, "grey": 90}


def _colourful() -> bool:
    """Whether what is written to standard output may be coloured."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str) -> str:
    """The text in a colour, or as it is where standard output shows none."""
    if not _colourful():
        return text
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"
