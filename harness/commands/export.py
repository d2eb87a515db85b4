"""`harness export`: a trained run as a folder that others load."""

from __future__ import annotations

import argparse

from harness.commands import Add
from harness.commands.arguments import plugin, runs
from harness.words import printable


def declare(add: Add) -> None:
    parser = add("export", export, "a trained run as a folder that open_clip and `harness.load` read")
    parser.add_argument("run", metavar="RUN", help="a run trained with --save-model, as for `show`")
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    runs(parser)
    plugin(parser)


def export(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness.store import Store
    from harness.trained import export as exporting

    out = exporting.export(Store(arguments.runs).find(arguments.run), arguments.out)
    print(printable(f"exported: {out}; how to load it: {out / 'README.md'}"))
    return 0
