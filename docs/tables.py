"""Tables of the pages that scripts write."""

from __future__ import annotations

from tabulate import tabulate


def table(rows: list[list[str]], heads: list[str]) -> str:
    """A Markdown table; a `|` in a cell is no border."""
    escaped = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return str(tabulate(escaped, heads, "pipe", disable_numparse=True))
