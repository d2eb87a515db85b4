"""`harness compare`: two runs, or two leaderboards, side by side."""

from __future__ import annotations

import argparse
import json

from harness.commands import Add
from harness.commands.arguments import runs


def declare(add: Add) -> None:
    parser = add("compare", compare, "two runs, or two leaderboard folders, side by side")
    parser.add_argument("first", metavar="A", help="a run, as for `show`, or a leaderboard folder")
    parser.add_argument("second", metavar="B", help="another of the same kind")
    runs(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


def compare(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness import compare as comparing
    from harness.store import Store

    found = comparing.compare(arguments.first, arguments.second, Store(arguments.runs))
    print(json.dumps(found, indent=2) if arguments.json else comparing.text(found))
    return 0
