"""`harness run`: trains what is missing of a grid, then writes its leaderboard."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.commands import Add
from harness.commands.arguments import command_line, grid_of, training
from harness.errors import BadInput, headline
from harness.words import plural, printable

if TYPE_CHECKING:
    from harness.grid import Grid
    from harness.plan.seeds import Until
    from harness.schedule.placement import Outcome


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


def run(arguments: argparse.Namespace, argv: list[str]) -> int:
    grid = grid_of(arguments)
    from harness.commands.course import Course
    from harness.files import writable
    from harness.schedule import launch, placement
    from harness.store import Store
    from harness.training import trackers

    here = launch.here()  # before training hides what the launcher has told
    trackers.check(arguments.track)
    store, out = Store(arguments.runs), writable(arguments.out or Path("leaderboards") / grid.name)
    asked = placement.Asked(
        arguments.placement,
        arguments.workers,
        arguments.on_alarm,
        arguments.save_every,
        arguments.save_model,
        tuple(arguments.track),
    )
    until = _until(arguments, grid)
    outcome, unreached = Course(store, asked, command_line(arguments), argv, until).train(grid)
    if not here.leads:
        return 0  # who leads tells: a launcher ends all processes when one of them does not end well
    if here.task == "prepare":
        print("harness: caches filled")
        return 0
    if outcome.done and not here.task:  # of a cluster's jobs the last one writes it
        from harness.leaderboard import report as write

        print(f"leaderboard: {write([store], grid.name, out)}")
    return _told(outcome, unreached)


def _until(arguments: argparse.Namespace, grid: Grid) -> Until:
    """The rule by which seeds are added. Raises `BadInput` where the grid can't be judged by it."""
    from harness.plan import seeds

    until = seeds.read(arguments.until) if arguments.until else seeds.Until()
    if until.width and len(grid.seeds) < seeds.PILOT:
        what = f"{grid.name} has {plural(len(grid.seeds), 'seed')}, too few to judge the spread by"
        raise BadInput("--until", what, f"give it {seeds.PILOT} or more: they are the pilot")
    if until != seeds.Until() and arguments.grid and arguments.seeds:
        raise BadInput("--until", "adds seeds to all of a grid's, and --seeds selects some", "leave out one of the two")
    return until


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
