"""What a terminal can show: colours only where one listens, and never where the user asked for none.

`NO_COLOR`, set to anything, means none (no-color.org); a terminal that calls itself `dumb` gets none either.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

_CODES = {"red": 31, "green": 32, "yellow": 33, "grey": 90}


def colourful(stream: TextIO) -> bool:
    """Whether what is written to the stream may be coloured."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str, stream: TextIO | None = None) -> str:
    """The text in a colour, or as it is where the stream (standard output) shows none."""
    if not colourful(stream or sys.stdout):
        return text
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"
