"""`harness report`: a leaderboard from stored runs alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands import Add


def declare(add: Add) -> None:
    parser = add("report", report, "leaderboards from stored runs (loads no torch)")
    parser.add_argument(
        "--runs",
        action="append",
        metavar="DIR",
        default=[],
        help="a run store; given several times, the runs of all: of several machines that shared a grid",
    )
    parser.add_argument(
        "--grid",
        nargs="?",
        const="grids/default.toml",
        metavar="FILE",
        help="only this grid's runs, with its factors (default: all runs)",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write")


def report(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness import config
    from harness.leaderboard import report as write
    from harness.store import Store, writable

    grid = Path(arguments.grid).stem if arguments.grid else None
    stores = [Store(place) for place in dict.fromkeys(arguments.runs or [config.runs()])]
    print(f"leaderboard: {write(stores, grid, writable(arguments.out))}")
    return 0
