"""`harness doctor`: what this machine has, what is wrong with it, and the mend."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from harness.commands import Add
from harness.commands.arguments import grid_of, selectors
from harness.errors import BadInput

if TYPE_CHECKING:
    from harness.grid import Grid


def declare(add: Add) -> None:
    parser = add("doctor", doctor, "what is wrong with this machine, and the mend")
    selectors(parser)
    parser.set_defaults(runs="")  # not looked up at the door: a user file that is damaged is for the doctor to tell
    parser.add_argument("--json", action="store_true", help="for programs")


def doctor(arguments: argparse.Namespace, argv: list[str]) -> int:
    """Exit code 1 where something should be mended."""
    from harness import doctor as room
    from harness.schedule import launch

    if not launch.here().leads:
        return 0
    grid, refused = _grid(arguments)
    facts = room.gather(arguments.runs or _store(), grid, refused)
    findings = room.examine(facts)
    print(json.dumps(room.as_json(facts, findings), indent=2) if arguments.json else room.text(facts, findings))
    return 1 if any(finding.mend for finding in findings) else 0


def _store() -> str:
    """The store that commands use unless told; a user file that is refused is told among the data sets' troubles."""
    from harness import config

    try:
        return config.runs()
    except BadInput:
        return config.RUNS


def _grid(arguments: argparse.Namespace) -> tuple[Grid | None, BadInput | None]:
    """The grid that is named, if one is, or why it is refused: one trouble among others."""
    try:
        return (grid_of(arguments) if arguments.grid or arguments.datasets or arguments.methods else None), None
    except BadInput as error:
        return None, error
