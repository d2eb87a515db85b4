"""`harness list`: the plugins, models and settings there are."""

from __future__ import annotations

import argparse
import json

from harness.commands import Add
from harness.commands.arguments import plugin

KINDS = ("datasets", "methods", "sentinels", "models", "settings")


def declare(add: Add) -> None:
    parser = add("list", list_plugins, "data sets, methods, sentinels, models and settings there are")
    parser.add_argument("what", choices=KINDS, help="with settings, defaults and papers")
    parser.add_argument("word", nargs="?", default="", metavar="WORD", help="only those that this is in the name of")
    parser.add_argument("--json", action="store_true", help="for programs")
    plugin(parser)


def list_plugins(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness import catalogue

    rows = catalogue.rows(arguments.what, arguments.word)
    print(json.dumps(rows, indent=2) if arguments.json else catalogue.text(arguments.what, rows, arguments.word))
    return 0
