"""`harness watch`: a grid as it runs, live on a terminal, line by line elsewhere."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.commands import Add
from harness.commands.arguments import runs
from harness.terminal import paint
from harness.words import duration, plural, printable

if TYPE_CHECKING:
    from harness.store import Store
    from harness.store.onlooker import Look, Onlooker

EVERY = 2.0  # seconds between two looks
REST = 4  # times as long as a look took, at least, so that a store of many runs is not looked at all the time
BAR = 24  # columns
ALARMS = 4  # shown
_COLOURS = {"error": "red", "warning": "yellow"}


def declare(add: Add) -> None:
    parser = add("watch", watch, "a grid as it runs: done, at work, alarms, time left")
    parser.add_argument("--grid", metavar="FILE", help="a grid file or its name (default: the one planned last)")
    runs(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--once", action="store_true", help="look once")
    form.add_argument("--json", action="store_true", help="look once, for programs")


def watch(arguments: argparse.Namespace, argv: list[str]) -> int:
    """Until the grid is over, or the user has seen enough."""
    from harness.store import Store, onlooker

    store = Store(arguments.runs)
    grid = onlooker.named(arguments.grid) if arguments.grid else onlooker.latest(store)
    if arguments.json:
        print(json.dumps(onlooker.Onlooker(store, grid).look().as_json(), indent=2))
    elif arguments.once:
        print("\n".join(page(onlooker.Onlooker(store, grid).look())))
    else:
        follow(store, grid)
    return 0


def follow(store: Store, grid: str) -> None:
    """Shows a grid of the store until it is over, or the user has seen enough."""
    from harness.store.onlooker import Onlooker

    try:
        (_live if sys.stdout.isatty() else _lines)(Onlooker(store, grid), time.sleep)
    except KeyboardInterrupt:  # whoever watches may stop: nothing is interrupted by that
        print()


def _live(looking: Onlooker, sleep: Callable[[float], None]) -> None:
    """Repaints a screen of its own; the last page stays when it ends."""
    look = looking.look()
    with _screen():
        while not look.over:
            rows = shutil.get_terminal_size().lines - 1
            shown = [f"{line}\x1b[K" for line in page(look)[:rows]]
            print("\x1b[H" + "\n".join(shown) + "\x1b[J", end="", flush=True)
            look = _next(looking, sleep)
    print("\n".join(page(look)))


def _lines(looking: Onlooker, sleep: Callable[[float], None]) -> None:
    """Where nobody can repaint: the page once, then a line for what ends and for what sentinels find."""
    from harness.store.onlooker import DONE

    look = looking.look()
    print("\n".join(page(look)), flush=True)
    told = {*_news(look)}
    while not look.over:
        look = _next(looking, sleep)
        fresh = [line for line in _news(look) if line not in told]
        told.update(fresh)
        for line in fresh:
            print(f"[{look.count(DONE)}/{look.runs}] {line}", flush=True)


def _next(looking: Onlooker, sleep: Callable[[float], None]) -> Look:
    sleep(max(EVERY, REST * looking.took))
    return looking.look()


def _news(look: Look) -> Iterator[str]:
    for run in look.ended:
        scores = "  ".join(f"{name.upper()} {100 * run.scores[name]:.1f}" for name in ("war", "uar") if run.scores)
        yield printable(f"{run.name}: {'failed: ' + run.failed if run.failed else 'done  test ' + scores}")
    for alarm in look.alarms:
        yield printable(f"{alarm.severity} {alarm.sentinel}: {alarm.message}")
    if look.trouble:
        yield _unasked(look)


@contextmanager
def _screen() -> Iterator[None]:
    """The terminal's other screen, without a cursor."""
    print("\x1b[?1049h\x1b[?25l", end="", flush=True)
    try:
        yield
    finally:
        print("\x1b[?25h\x1b[?1049l", end="", flush=True)


# ── the page ────────────────────────────────────────────────────────────────────────────────────────────────


def page(look: Look) -> list[str]:
    """The grid on a page, as wide as the terminal (80 columns where there is none)."""
    width = shutil.get_terminal_size((80, 24)).columns
    lines = [f"grid {look.grid}  {time.strftime('%H:%M:%S')}", *_summary(look), ""]
    names = max(map(len, look.states), default=0)
    lines += [f"{name:<{names}}  {_bar(counts)}  {_counted(counts)}" for name, counts in look.states.items()]
    if look.working:
        lines += ["", "at work", *(_cut(line, width) for line in _working(look))]
    if look.jobs or look.trouble:
        lines += ["", "jobs", *(_cut(line, width) for line in _jobs(look, width))]
    if look.alarms:
        lines += ["", "alarms"]
    for alarm in look.alarms[-ALARMS:]:
        line = _cut(f"  {alarm.severity} {alarm.sentinel} in {plural(alarm.runs, 'run')}: {alarm.message}", width)
        lines.append(paint(line, _COLOURS.get(alarm.severity, "yellow")))
    return lines


def _summary(look: Look) -> Iterator[str]:
    from harness.store.onlooker import DONE, FAILED, WORKING

    words = [f"{look.count(DONE)} of {plural(look.runs, 'run')} done"]
    words += [paint(f"{look.count(FAILED)} failed", "red")] if look.count(FAILED) else []
    words += [] if look.over else [f"{look.count(WORKING) or 'none'} at work"]
    yield ", ".join(words)
    if look.trained and not look.over:
        yield "no run is left to train; the leaderboard may still be written"
    elif not look.over:
        left = "time left: unknown until an epoch is done"
        if look.at_least is not None:
            left = f"about {duration(look.at_least)} left" + ("" if look.working else " for one worker")
            left += f" without {', '.join(look.unjudged)}, of which no epoch is done yet" if look.unjudged else ""
        again = "`harness submit` goes on" if look.jobs else "`harness run` fills its cache first, then goes on"
        nobody = "; no job trains yet" if look.queued else f"; {again}"
        yield left + ("" if look.working else nobody)


def _bar(counts: dict[str, int]) -> str:
    from harness.store.onlooker import DONE, FAILED

    total = max(sum(counts.values()), 1)
    done, failed = (round(BAR * counts[state] / total) for state in (DONE, FAILED))
    rest = BAR - done - failed
    return paint("█" * done, "green") + paint("█" * failed, "red") + paint("░" * rest, "grey")


def _counted(counts: dict[str, int]) -> str:
    from harness.store.onlooker import BEGUN, DONE, FAILED, WORKING

    others = [f"{counts[state]} {state}" for state in (FAILED, WORKING, BEGUN) if counts[state]]
    return ", ".join([f"{counts[DONE]} of {sum(counts.values())}", *others])


def _working(look: Look) -> Iterator[str]:
    from harness.store.show import sparkline

    names = max(len(run.name) for run in look.working)
    for run in look.working:
        if not run.epoch:
            yield f"  {run.name:<{names}}  begins"
            continue
        last = f"{run.metric.upper()} {100 * run.curve[-1]:.1f}" if run.curve else ""
        yield f"  {run.name:<{names}}  epoch {run.epoch:>2} of {run.epochs}  {last}  {sparkline(run.curve)}"


def _jobs(look: Look, width: int) -> Iterator[str]:
    from harness import slurm

    for job in look.jobs:
        yield f"  {job.number} ({job.does}): " + ", ".join(f"{count} {state}" for state, count in job.tasks.items())
        if slurm.impossible(job.tasks):
            yield "    will not start: `harness cancel`, then ask less in [slurm]; see `sinfo`"
        if job.log:
            yield f"    {job.log}"
            yield from textwrap.wrap(printable(job.said), width, initial_indent="    ", subsequent_indent="      ")
    if look.trouble:
        yield f"  {_unasked(look)}"


def _unasked(look: Look) -> str:
    return f"the queue can't be asked now: {look.trouble}"


def _cut(line: str, width: int) -> str:
    line = printable(line)
    return line if len(line) <= width else line[: width - 1] + "…"
