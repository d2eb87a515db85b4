"""`harness run`: trains what is missing of a grid, then writes its leaderboard."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands import Add
from harness.commands.arguments import command_line, grid_of, selectors, stored_plan, words
from harness.errors import BadInput, headline
from harness.words import plural, printable

if TYPE_CHECKING:
    from harness.grid import Grid
    from harness.plan.seeds import Until
    from harness.schedule.placement import Outcome
    from harness.store import Store


def declare(add: Add) -> None:
    parser = add("run", run, "train what is missing, then write the leaderboard")
    training(parser)
    parser.add_argument(
        "--until",
        default="",
        metavar="RULE",
        help="add seeds: 'ci<1.0' until the interval of every factor, on each data set by its primary metric and not "
        "over all of them, is narrower than that many points; 'seeds=8' up to 8, the grid's own included",
    )


def training(parser: argparse.ArgumentParser) -> None:
    """What to train, and how: the arguments that `run` and `submit` share."""
    selectors(parser)
    placements = ("auto", "pair", "data")
    parser.add_argument(
        "--placement",
        choices=placements,
        default="auto",
        help="pair: a process trains its own runs; data: all train one run (default auto)",
    )
    parser.add_argument(
        "--workers",
        default="auto",
        type=_worker_count,
        metavar="N|auto",
        help="processes that claim runs, per launched process (default auto)",
    )
    parser.add_argument(
        "--on-alarm",
        choices=("warn", "stop"),
        default="warn",
        help="when a sentinel finds an error: go on and mark the run, or end it (default warn)",
    )
    parser.add_argument(
        "--save-every",
        default=60.0,
        type=_seconds,
        metavar="SECONDS",
        help="between two checkpoints; more where saving takes over 5 %% of the time (default 60; 0: after each step)",
    )
    parser.add_argument(
        "--save-model",
        action="store_true",
        help="keep each run's trained weights; a run done without them is trained again for them, its result stays",
    )
    parser.add_argument(
        "--track",
        default="",
        type=words,
        metavar="A,B",
        help="tell each run's epochs to tensorboard, wandb, trackio, mlflow (default: to none)",
    )
    parser.add_argument("--out", metavar="DIR", help="leaderboard folder (default leaderboards/<grid name>)")


def run(arguments: argparse.Namespace, argv: list[str]) -> int:
    grid = grid_of(arguments)
    from harness.files import writable
    from harness.plan import seeds
    from harness.schedule import launch
    from harness.store import Store
    from harness.training import trackers

    here = launch.here()  # before training hides what the launcher has told
    trackers.check(arguments.track)
    store, out = Store(arguments.runs), writable(arguments.out or Path("leaderboards") / grid.name)
    until = seeds.read(arguments.until) if arguments.until else seeds.Until()
    if until.width and len(grid.seeds) < seeds.PILOT:
        what = f"{grid.name} has {plural(len(grid.seeds), 'seed')}, too few to judge the spread by"
        raise BadInput("--until", what, f"give it {seeds.PILOT} or more: they are the pilot")
    if until != seeds.Until() and arguments.grid and arguments.seeds:
        raise BadInput("--until", "adds seeds to all of a grid's, and --seeds selects some", "leave out one of the two")
    own, stored = len(grid.seeds), stored_plan(store, grid.name) if here.leads else {}
    if until.seeds:
        grid = seeds.extended(grid, until.seeds)
    if not until.width and (gone := seeds.lost(stored, grid, ruled=False)):
        print(gone, file=sys.stderr)
    outcome, record = _train(grid, store, arguments, argv, until, own)
    narrow = None
    if until.width:
        if not outcome.failed:
            narrow = _narrow(store, grid, record, until)
        if isinstance(narrow, int) and narrow > own:
            grid = seeds.extended(grid, narrow)
            outcome, _ = _train(grid, store, arguments, argv, until, own)
        if gone := seeds.lost(stored, grid, ruled=True):
            print(gone, file=sys.stderr)
    if not here.leads:
        return 0  # who leads tells: a launcher ends all processes when one of them does not end well
    if outcome.done and not here.task:  # of a cluster's jobs the last one writes it
        from harness.leaderboard import report as write

        print(f"leaderboard: {write([store], grid.name, out)}")
    if here.task == "prepare":
        print("harness: caches filled")
        return 0
    return _told(outcome, narrow if isinstance(narrow, str) else "")


def _train(
    grid: Grid, store: Store, arguments: argparse.Namespace, argv: list[str], until: Until, own: int
) -> tuple[Outcome, dict[str, Any]]:
    """What became of a grid's runs, and its plan. Seeds beyond its `own` were added by the rule `until`."""
    from harness import plan
    from harness.schedule import launch, placement

    planned = plan.plan(grid)
    needed = launch.here().leads or until.width
    record = plan.as_json(planned, store, command_line(arguments)) if needed else {}
    if added := len(grid.seeds) - own:
        record["added"] = added
    if until.width:
        record["until"] = {"width": until.width, "pilot": own}
    asked = placement.Asked(
        arguments.placement,
        arguments.workers,
        arguments.on_alarm,
        arguments.save_every,
        arguments.save_model,
        tuple(arguments.track),
    )
    for_workers = [*argv, "--until", f"seeds={len(grid.seeds)}"] if until.width else argv
    here = launch.here()
    outcome = placement.run(planned, record, store, asked, for_workers)
    if arguments.save_model and here.leads and not here.task:
        from harness.verify import regain

        outcome.weightless = regain.regain(regain.lacking(planned, store), here)
    return outcome, record


def _narrow(store: Store, grid: Grid, record: dict[str, Any], until: Until) -> int | str:
    """How many seeds make the intervals narrow enough on the data sets that are selected, or why none do."""
    from harness.plan import seeds

    chosen = grid.datasets if grid.selected is None else {dataset for dataset, _, _ in grid.selected}
    try:
        rows = [row for row in record["runs"] if row["dataset"] in chosen]
        return seeds.needed(store, {**record, "runs": rows}, until.width)
    except BadInput as error:  # what is trained stays, and its leaderboard is written
        return str(error)


def _told(outcome: Outcome, unreached: str) -> int:
    """Tells how it went, and gives the exit code."""
    for failure in outcome.failed:
        print(f"failed: {failure['run_id']}: {headline(failure['error'])}", file=sys.stderr)
    for run_id, sentinels in outcome.alarmed.items():
        print(f"error in {run_id}: {', '.join(sentinels)}; see `harness show {run_id}`", file=sys.stderr)
    for run_id, why in outcome.weightless.items():
        print(f"without weights: {run_id}: {printable(why)}", file=sys.stderr)
    if unreached:
        print(f"not reached: {unreached}", file=sys.stderr)
    counts = f"{len(outcome.failed)} failed, {len(outcome.alarmed)} with errors"
    died = f", {plural(len(outcome.died), 'worker')} died" if outcome.died else ""
    print(f"harness: {outcome.done} of {outcome.wanted} runs done, {counts}{died}")
    return 1 if outcome.failed or outcome.alarmed or outcome.weightless or unreached else 0


def _worker_count(text: str) -> str:
    if text != "auto" and not re.fullmatch("[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number from 1 nor auto")
    return text


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0")
    return float(text)
