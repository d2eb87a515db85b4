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
from harness.commands import cache, compare, data, plan, report, run, show, submit, verify
from harness.commands import list as catalogue
from harness.errors import BadInput, Deserted, Unwritable
from harness.words import printable

EXAMPLES = """\
examples:
  harness run --grid                          train grids/default.toml, write leaderboards/default/
  harness run --grid --tiny                   the same pairs as a smoke test of a minute or two
  harness run --datasets caer --methods "prompt+ldl,prompt+lsr" --seeds 0,1,2
  harness run --grid mine.toml --set ldl.temperature=0.05 --set data.caer.root=/data/CAER
  accelerate launch --config_file accelerate_config.yaml harness run --grid
  harness plan --grid                         what would run, what is done
  harness show RUN                            one run: curves, scores, the command that repeats it
  harness data check caer --root /data/CAER   what is in a copy, and what is wrong with it

exit codes: 0 all done, 1 some runs failed or a sentinel found an error (the rest finished), 2 bad input (nothing
            started), 3 interrupted: the same command goes on
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; the last line says the outcome in words."""
    argv = [*(sys.argv[1:] if argv is None else argv)]
    arguments = _parser().parse_args(argv)
    signals.install()
    try:
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
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"harness {__version__}")
    parser.set_defaults(plugin=[])
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for room in (run, submit, plan, report, catalogue, show, compare, verify):
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
    return parser
