"""`harness report`: a leaderboard from stored runs alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands import Add
from harness.commands.arguments import runs


def declare(add: Add) -> None:
    parser = add("report", report, "leaderboards from stored runs (loads no torch)")
    runs(parser)
    parser.add_argument(
        "--grid",
        nargs="?",
        const="grids/default.toml",
        metavar="FILE",
        help="only this grid's runs, with its factors (default: all runs)",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write")


def report(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness.leaderboard import report as write
    from harness.store import Store, writable

    grid = Path(arguments.grid).stem if arguments.grid else None
    print(f"leaderboard: {write(Store(arguments.runs), grid, writable(arguments.out))}")
    return 0
