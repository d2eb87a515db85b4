"""The door: one command called, and its exit code. The commands are in `commands`, a room each.

Nothing heavy is imported at the top, so that `--help`, `report` and `show` answer at once and never load torch.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections.abc import Sequence
from typing import Any

from harness import __version__, plugins, signals
from harness.commands import (
    cache,
    check,
    compare,
    completion,
    config,
    data,
    doctor,
    examples,
    export,
    new,
    plan,
    predict,
    report,
    run,
    show,
    submit,
    verify,
    watch,
)
from harness.commands import list as catalogue
from harness.errors import BadInput, Deserted, Unwritable
from harness.words import printable

TRAINING, READING = (run, submit, plan, watch), (report, show, compare, verify, predict, export)
EXTENDING, HELPING = (new, check), (catalogue, doctor, config, completion)
ROOMS = (*TRAINING, *READING, *EXTENDING, *HELPING)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; the last line says the outcome in words."""
    argv, parser = [*(sys.argv[1:] if argv is None else argv)], _parser()
    if "_ARGCOMPLETE" in os.environ:
        from harness.completion import answer

        answer(parser)
    arguments = parser.parse_args(argv)
    signals.install()
    try:
        if getattr(arguments, "runs", "") is None:
            from harness.config import runs

            arguments.runs = runs()
        for file in arguments.plugin:
            plugins.add_file(file)
        with signals.bounded():
            return arguments.command(arguments, argv)
    except BadInput as error:
        print(f"harness: bad input: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if "HARNESS_WORKER" not in os.environ:
            print("harness: interrupted; finished runs are kept, run the same command again to go on", file=sys.stderr)
        return signals.INTERRUPTED
    except (Unwritable, Deserted) as error:
        mend = "make room, then run" if isinstance(error, Unwritable) else "run"
        told = f"harness: {error}; finished runs are kept, {mend} the same command again to go on"
        print(printable(told), file=sys.stderr)
        return signals.INTERRUPTED
    except BrokenPipeError:  # `harness plan | head`: who reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1 if arguments.command is run.run else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="harness",
        description="Trains every dataset × method × seed of a grid and writes ablation tables.",
    )
    parser.add_argument("--version", action="version", version=f"harness {__version__}")
    parser.set_defaults(plugin=[])
    examples.teach(parser)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for room in ROOMS:
        room.declare(functools.partial(_command, commands))
    for name, room, help in (
        ("data", data, "data sets on disk"),
        ("cache", cache, "what is kept to be used again: features, frames, miniatures, probes"),
    ):
        command = _command(commands, name, None, help)
        kinds = command.add_subparsers(title="commands", required=True, metavar="COMMAND")
        room.declare(functools.partial(_command, kinds))
    return parser


def _command(commands: Any, name: str, function: Any, help: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
    if function is not None:
        parser.set_defaults(command=function)
    examples.teach(parser)
    return parser
