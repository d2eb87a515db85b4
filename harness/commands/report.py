"""`harness report`: a leaderboard from stored runs alone."""

from __future__ import annotations

import argparse

from harness import shipped
from harness.commands import Add
from harness.commands.arguments import stores, stores_of


def declare(add: Add) -> None:
    parser = add("report", report, "leaderboards from stored runs (loads no torch)")
    stores(parser)
    parser.add_argument(
        "--grid",
        nargs="?",
        const=shipped.GRID,
        metavar="FILE",
        help="only this grid's runs, with its factors (default: all runs)",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write")


def report(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness.files import writable
    from harness.leaderboard import report as write
    from harness.store.onlooker import named

    grid = named(arguments.grid) if arguments.grid else None
    print(f"leaderboard: {write(stores_of(arguments), grid, writable(arguments.out))}")
    return 0
