"""`harness report`: a leaderboard from stored runs alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness import shipped
from harness.commands import Add
from harness.commands.arguments import stores, stores_of
from harness.errors import BadInput


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
    parser.add_argument("--out", metavar="DIR", help="folder to write (default with --grid: leaderboards/<its name>)")


def report(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness.files import writable
    from harness.leaderboard import report as write
    from harness.store.onlooker import named

    grid = named(arguments.grid) if arguments.grid else None
    if not (grid or arguments.out):
        raise BadInput("--out", "is missing", "give a folder for the leaderboard of all runs, or --grid for one grid's")
    for place in arguments.stores:
        if len(arguments.stores) > 1 and not Path(place).is_dir():  # one alone is told that it holds no runs
            raise BadInput("--runs", f"no store {place}", "give the folder of a store")
    out = writable(arguments.out or Path("leaderboards", grid or ""))
    print(f"leaderboard: {write(stores_of(arguments), grid, out)}")
    return 0
