"""`harness run`: trains what is missing of a grid, then writes its leaderboard."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from harness.commands import Add
from harness.commands.arguments import command_line, grid_of, selectors
from harness.errors import headline
from harness.words import plural


def declare(add: Add) -> None:
    parser = add("run", run, "train what is missing, then write the leaderboard")
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
    parser.add_argument("--out", metavar="DIR", help="leaderboard folder (default leaderboards/<grid name>)")


def run(arguments: argparse.Namespace, argv: list[str]) -> int:
    grid = grid_of(arguments)
    from harness import launch, plan, schedule
    from harness.store import Store, writable

    store, out = Store(arguments.runs), writable(arguments.out or Path("leaderboards") / grid.name)
    planned = plan.plan(grid)
    leads = launch.here().leads
    record = plan.as_json(planned, store, command_line(arguments)) if leads else {}
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


def _worker_count(text: str) -> str:
    if text != "auto" and not re.fullmatch("[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number from 1 nor auto")
    return text


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0")
    return float(text)
