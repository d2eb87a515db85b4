"""The command line: arguments in, text out. What a command does is in the room that it imports when called.

Nothing heavy is imported at the top, so that `--help`, `report` and `show` answer at once and never load torch.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import __version__, cupboard, plugins, signals
from harness.audit import commands as data
from harness.errors import BadInput, Deserted, Unwritable, headline
from harness.words import plural, printable

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
    argv = list(sys.argv[1:] if argv is None else argv)
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
        return 1 if arguments.command is run else 0


# ── commands ────────────────────────────────────────────────────────────────────────────────────────────────


def run(arguments: argparse.Namespace, argv: list[str]) -> int:
    grid = _grid(arguments)
    from harness import launch, plan, schedule
    from harness.store import Store, writable

    store, out = Store(arguments.runs), writable(arguments.out or Path("leaderboards") / grid.name)
    planned = plan.plan(grid)
    leads = launch.here().leads
    record = plan.as_json(planned, store, _command_line(arguments)) if leads else {}
    asked = schedule.Asked(arguments.placement, arguments.workers, arguments.on_alarm, arguments.save_every)
    outcome = schedule.run(planned, record, store, asked, argv)
    if not leads:
        return 0  # who leads tells: a launcher ends all processes when one of them does not end well
    if outcome.done:
        from harness.leaderboard import report as write

        page = write(store, grid.name, out)
        print(f"leaderboard: {page}")
    for failure in outcome.failed:
        print(f"failed: {failure['run_id']}: {headline(failure['error'])}", file=sys.stderr)
    for run_id, sentinels in outcome.alarmed.items():
        print(f"error in {run_id}: {', '.join(sentinels)}; see `harness show {run_id}`", file=sys.stderr)
    wanted = sum(run.wanted for run in planned.runs)
    counts = f"{len(outcome.failed)} failed, {len(outcome.alarmed)} with errors"
    died = f", {plural(len(outcome.died), 'worker')} died" if outcome.died else ""
    print(f"harness: {outcome.done} of {wanted} runs done, {counts}{died}")
    return 1 if outcome.failed or outcome.alarmed else 0


def plan(arguments: argparse.Namespace, argv: list[str]) -> int:
    grid = _grid(arguments)
    from harness import outlook
    from harness import plan as planning
    from harness.store import Store

    store = Store(arguments.runs)
    resolved = planning.plan(grid)
    planned = planning.as_json(resolved, store, _command_line(arguments))
    store.write_plan(grid.name, planned)
    selected = {run.run_id for run in resolved.runs if run.wanted}
    planned["runs"] = [row for row in planned["runs"] if row["run_id"] in selected]
    planned["cache"] = outlook.cache(resolved)
    print(json.dumps(planned, indent=2) if arguments.json else outlook.as_text(planned))
    return 0


def report(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness.leaderboard import report as write
    from harness.store import Store, writable

    grid = Path(arguments.grid).stem if arguments.grid else None
    print(f"leaderboard: {write(Store(arguments.runs), grid, writable(arguments.out))}")
    return 0


def list_plugins(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness import catalogue

    rows = catalogue.rows(arguments.what)
    print(json.dumps(rows, indent=2) if arguments.json else catalogue.text(arguments.what, rows))
    return 0


def show(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness import show as showing
    from harness.store import Store

    record = Store(arguments.runs).find(arguments.run)
    print(json.dumps(showing.as_json(record), indent=2) if arguments.json else printable(showing.text(record)))
    return 0


def compare(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness import compare as comparing
    from harness.store import Store

    found = comparing.compare(arguments.first, arguments.second, Store(arguments.runs))
    print(json.dumps(found, indent=2) if arguments.json else comparing.text(found))
    return 0


def _grid(arguments: argparse.Namespace) -> Any:
    """The grid that the selectors name: a file's, some of its runs, or one made of the selectors alone."""
    from harness import grid

    datasets, methods, seeds = _words(arguments.datasets), _methods(arguments.methods), _words(arguments.seeds)
    if not all(re.fullmatch("[0-9]{1,10}", seed) for seed in seeds):
        raise BadInput("--seeds", f"{arguments.seeds!r} is not a list of seeds", "write --seeds 0,1,2")
    numbers = [int(seed) for seed in seeds]
    if arguments.grid:
        return grid.load(arguments.grid, arguments.set, tiny=arguments.tiny).select(datasets, methods, numbers)
    if not (datasets and methods):
        raise BadInput("harness", "nothing selected", "give --grid, or --datasets and --methods")
    raw = {"datasets": datasets, "methods": methods, "seeds": numbers or [0]}
    name = "selection-" + hashlib.sha256(json.dumps(raw).encode()).hexdigest()[:6]
    return grid.build(name, raw, arguments.set, tiny=arguments.tiny)


def _command_line(arguments: argparse.Namespace) -> str:
    """The command that trains the whole grid (not only the runs selected now), for its leaderboard."""
    words = ["harness", "run", *(word for file in arguments.plugin for word in ("--plugin", file))]
    if arguments.grid:
        words += ["--grid", arguments.grid]
    else:
        for name in ("datasets", "methods", "seeds"):
            words += [f"--{name}", getattr(arguments, name)] if getattr(arguments, name) else []
    words += [word for setting in arguments.set for word in ("--set", setting)]
    words += ["--tiny"] * arguments.tiny + ([] if arguments.runs == "runs" else ["--runs", arguments.runs])
    return shlex.join(words + (["--out", arguments.out] if getattr(arguments, "out", None) else []))


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _methods(text: str) -> list[str]:
    """Splits at the commas between methods, not at those between a component's settings."""
    words, depth, start = [], 0, 0
    for position, sign in enumerate(text + ","):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth <= 0:
            words.append(text[start:position].strip())
            start = position + 1
    words.append(text[start:].strip())  # what an unclosed bracket swallowed: the grammar will complain
    return [word for word in words if word]


# ── arguments ───────────────────────────────────────────────────────────────────────────────────────────────


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

    command = _command(commands, "run", run, "train what is missing, then write the leaderboard")
    _selectors(command)
    placements = ("auto", "pair", "data")
    command.add_argument(
        "--placement",
        choices=placements,
        default="auto",
        help="pair: a process trains its own runs; data: all train one run (default auto)",
    )
    command.add_argument(
        "--workers",
        default="auto",
        type=_worker_count,
        metavar="N|auto",
        help="processes that claim runs, per launched process (default auto)",
    )
    command.add_argument(
        "--on-alarm",
        choices=("warn", "stop"),
        default="warn",
        help="when a sentinel finds an error: go on and mark the run, or end it (default warn)",
    )
    command.add_argument(
        "--save-every",
        default=60.0,
        type=_seconds,
        metavar="SECONDS",
        help="between two checkpoints; more where saving takes over 5 %% of the time (default 60; 0: after each step)",
    )
    command.add_argument("--out", metavar="DIR", help="leaderboard folder (default leaderboards/<grid name>)")

    command = _command(commands, "plan", plan, "what would run, what is done, how long it takes")
    _selectors(command)
    command.add_argument("--json", action="store_true", help="for programs")

    command = _command(commands, "report", report, "leaderboards from stored runs (loads no torch)")
    _runs(command)
    command.add_argument(
        "--grid",
        nargs="?",
        const="grids/default.toml",
        metavar="FILE",
        help="only this grid's runs, with its factors (default: all runs)",
    )
    command.add_argument("--out", required=True, metavar="DIR", help="folder to write")

    command = _command(commands, "list", list_plugins, "plugins with settings, defaults and papers")
    command.add_argument("what", choices=("datasets", "methods", "sentinels", "models"))
    command.add_argument("--json", action="store_true", help="for programs")
    _plugin(command)

    command = _command(commands, "show", show, "one run: curves, scores, environment, how to repeat it")
    command.add_argument("run", metavar="RUN", help="a run id, the start of one, or a run's folder")
    _runs(command)
    command.add_argument("--json", action="store_true", help="for programs")

    command = _command(commands, "compare", compare, "two runs, or two leaderboard folders, side by side")
    command.add_argument("first", metavar="A", help="a run, as for `show`, or a leaderboard folder")
    command.add_argument("second", metavar="B", help="another of the same kind")
    _runs(command)
    command.add_argument("--json", action="store_true", help="for programs")

    command = _command(commands, "data", None, "data sets on disk")
    kinds = command.add_subparsers(title="commands", required=True, metavar="COMMAND")
    data.declare(functools.partial(_command, kinds), _plugin)

    command = _command(commands, "cache", None, "what is kept to be used again: features, frames, miniatures, probes")
    kinds = command.add_subparsers(title="commands", required=True, metavar="COMMAND")
    cupboard.declare(functools.partial(_command, kinds))
    return parser


def _command(commands: Any, name: str, function: Any, help: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
    if function is not None:
        parser.set_defaults(command=function)
    return parser


def _selectors(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to train")
    group.add_argument(
        "--grid", nargs="?", const="grids/default.toml", metavar="FILE", help="a grid file; alone: grids/default.toml"
    )
    group.add_argument("--datasets", default="", metavar="A,B", help="data sets; with --grid: only these of its")
    group.add_argument("--methods", default="", metavar='"X+Y,Z"', help="methods; with --grid: only these of its")
    group.add_argument("--seeds", default="", metavar="0,1", help="seeds; with --grid: only these of its")
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting for all runs: train.epochs=5, ldl.temperature=0.1, …",
    )
    group.add_argument("--tiny", action="store_true", help="smoke test: one seed, one short epoch, a few clips a class")
    _runs(parser)
    _plugin(parser)


def _runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", default="runs", metavar="DIR", help="the run store (default runs/)")


def _plugin(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plugin", action="append", default=[], metavar="FILE.py", help="load plugins of your own")


def _worker_count(text: str) -> str:
    if text != "auto" and not re.fullmatch("[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number from 1 nor auto")
    return text


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0")
    return float(text)
