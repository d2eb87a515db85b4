"""index.html: a leaderboard that opens from disk, in one file and without a network.

What has to be readable without a script (the answer, the effects, how to repeat it) is HTML; what is looked up (runs,
curves, clips) is data that a plain script draws. Nothing is loaded from anywhere: the content policy allows the
page's own style and script, told by their hashes, and pictures that are in the page. The same runs give the same
bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from html import escape
from importlib import resources
from string import Template

from harness.leaderboard.ablation import ALL, Ablation
from harness.leaderboard.board import Board
from harness.leaderboard.markdown import plain
from harness.leaderboard.page import data, verdict
from harness.leaderboard.page.markup import join, tag
from harness.leaderboard.page.sections import sections
from harness.leaderboard.summary import Summary
from harness.leaderboard.wording import heading, primary

# in the order in which they build on each other
SCRIPTS = ("tools.js", "tables.js", "charts.js", "run.js", "views.js", "start.js")


def document(board: Board, found: Ablation, summary: Summary) -> Iterator[bytes]:
    """The page, piece by piece."""
    headings = {dataset: heading(board, dataset) for dataset in (*board.datasets, ALL)}
    parts = sections(board, found.rows, summary, headings)
    style, script = _asset("style.css"), "\n".join(map(_asset, SCRIPTS))
    before, after = _asset("template.html").split("<!-- data -->\n")
    filled = Template(before).substitute(
        title=escape(plain(board.title)),
        style=style,
        style_hash=_hash(style),
        script_hash=_hash(script),
        links=join(tag("a", part.link, href=f"#{part.id}") for part in parts),
        metric=primary(board, ALL),
        opening=verdict.opening(board, headings),
        sections=join(part.written() for part in parts),
    )
    yield filled.encode()
    yield from data.blocks(board, found, headings)
    yield Template(after).substitute(script=script).encode()


@cache
def _asset(name: str) -> str:
    return (resources.files(__name__) / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """How the content policy names a style or a script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
