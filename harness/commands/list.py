"""`harness list`: the plugins there are."""

from __future__ import annotations

import argparse
import json

from harness.commands import Add
from harness.commands.arguments import plugin


def declare(add: Add) -> None:
    parser = add("list", list_plugins, "plugins with settings, defaults and papers")
    parser.add_argument("what", choices=("datasets", "methods", "sentinels", "models"))
    parser.add_argument("--json", action="store_true", help="for programs")
    plugin(parser)


def list_plugins(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness import catalogue

    rows = catalogue.rows(arguments.what)
    print(json.dumps(rows, indent=2) if arguments.json else catalogue.text(arguments.what, rows))
    return 0
