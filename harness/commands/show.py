"""`harness show`: one stored run."""

from __future__ import annotations

import argparse
import json

from harness.commands import Add
from harness.commands.arguments import runs
from harness.words import printable


def declare(add: Add) -> None:
    parser = add("show", show, "one run: curves, scores, environment, how to repeat it")
    parser.add_argument("run", metavar="RUN", help="a run id, the start of one, or a run's folder")
    runs(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for programs")
    form.add_argument("--card", action="store_true", help="a model card with its scores, for the Hugging Face hub")


def show(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness.store import Store
    from harness.store import show as showing

    record = Store(arguments.runs).find(arguments.run)
    if arguments.card:
        from harness.leaderboard.card import card

        print(printable(card(record)), end="")
        return 0
    print(json.dumps(showing.as_json(record), indent=2) if arguments.json else printable(showing.text(record)))
    return 0
