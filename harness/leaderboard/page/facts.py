"""What is not in the tables, on which data and weights the runs were made, and how to make them again."""

from __future__ import annotations

from collections.abc import Iterator

from harness.leaderboard.board import Board
from harness.leaderboard.page.markup import Markup, join, link, name, table, tag
from harness.leaderboard.summary import Summary
from harness.leaderboard.wording import all_values, unread
from harness.words import plural


def left_out(board: Board, summary: Summary) -> Markup:
    """Runs and combinations that the tables lack."""
    return join(_left_out(board, summary)) or tag("p", "Nothing: every planned run is done.")


def repeat(board: Board) -> Markup:
    """The command of the whole board, and what its runs were made from."""
    rows = []
    for dataset in board.datasets:
        values = [
            all_values(board.of(dataset), key)
            for key in ("data.fingerprint", "data.manifest", "model.name", "model.weights")
        ]
        rows.append([name(dataset), *(tag("code", value) if value else "–" for value in values)])
    header = ["Data set", "Fingerprint of the data", "Manifest of the copy", "Model", "Weights"]
    command = board.command
    return join([tag("pre", tag("code", command)), table("What the runs were made from", header, rows)])


def _left_out(board: Board, summary: Summary) -> Iterator[Markup]:
    failed = sum(run.failed for run in board.runs)
    missing = len(board.runs) - len(board.done) - failed
    if failed:
        yield tag("p", link({"state": "failed"}, f"{plural(failed, 'run')} failed"), ".")
    if missing:
        yield tag("p", f"{plural(missing, 'run')} not finished yet.")
    if summary.unread:
        yield tag("p", unread(summary.unread))
    if board.dropped:
        rows = [[name(dropped["method"]), name(dropped["why"])] for dropped in board.dropped]
        yield table("Combinations that the grid dropped", ["Method", "Why"], rows)
