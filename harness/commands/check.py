"""`harness check`: whether a plugin keeps the contracts that the product's own plugins keep."""

from __future__ import annotations

import argparse
import json

from harness.commands import Add
from harness.commands.arguments import plugin


def declare(add: Add) -> None:
    parser = add("check", check, "hold a component or a data set of your own to its contract")
    parser.add_argument("name", metavar="PLUGIN", help="the name of a component or a data set")
    parser.add_argument("--root", default="", metavar="DIR", help="folder of the data set; without: a small copy of it")
    plugin(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


def check(arguments: argparse.Namespace, argv: list[str]) -> int:
    """Exit code 1 where a check failed."""
    from harness import conformance

    report = conformance.check(arguments.name, arguments.root)
    print(json.dumps(report.as_json(), indent=2) if arguments.json else report.text())
    return 0 if report.passed else 1
