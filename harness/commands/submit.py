"""`harness submit` and `harness cancel`: a grid as jobs of a SLURM cluster."""

from __future__ import annotations

import argparse
import dataclasses
import errno
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.commands import Add
from harness.commands.arguments import command_line, grid_of, runs, training
from harness.errors import BadInput, Unwritable, nearest
from harness.words import plural

if TYPE_CHECKING:
    from harness.plan import Plan
    from harness.slurm import Slurm, Submission
    from harness.store import Store


_ROOM, _FILE = "make room", "a file is where a folder should be: move it away"
_MENDS = {errno.ENOSPC: _ROOM, errno.EDQUOT: _ROOM, errno.ENOTDIR: _FILE, errno.EEXIST: _FILE}


def declare(add: Add) -> None:
    parser = add("submit", submit, "the same grid as jobs of a SLURM cluster")
    training(parser)
    _of_the_cluster(parser)
    parser.add_argument("--until", default="", help=argparse.SUPPRESS)  # refused, with a reason
    parser = add("cancel", cancel, "take what was submitted for a store out of SLURM's queue; runs are saved first")
    runs(parser)
    parser.add_argument("--grid", metavar="FILE", help="only the jobs of this grid file or name (default: all)")


def _of_the_cluster(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the cluster (these and more: [slurm] in the grid file)")
    group.add_argument("--partition", metavar="P", help="where the jobs run")
    group.add_argument("--gpus-per-run", metavar="N", help="GPUs that train a run together (default 1; 0: the CPU)")
    group.add_argument("--max-jobs", metavar="N", help="training jobs, each of which trains many runs (default 8)")


def submit(arguments: argparse.Namespace, argv: list[str]) -> int:
    if arguments.until:
        mend = "write more seeds into the grid file and submit it again, or add them with `harness run --until`"
        raise BadInput("--until", "jobs of a cluster can't add seeds", mend)
    grid = grid_of(arguments)
    from harness import plan as planning
    from harness import shipped, slurm
    from harness.commands.course import stored_plan, tell_lost
    from harness.files import writable
    from harness.schedule import submit as submitting
    from harness.store import Store

    store, out = Store(arguments.runs), writable(arguments.out or Path("leaderboards") / grid.name)
    asked = _asked(grid.slurm, arguments)
    resolved = planning.plan(grid)
    record = planning.as_json(resolved, store, command_line(arguments))
    report = ["report", "--runs", arguments.runs, "--grid", f"{grid.name}.toml", "--out", str(out)]
    if arguments.save_model:
        _check_weights(resolved, store, command_line(arguments))
    if not (todo := resolved.todo(store)):
        print(f"all runs are done; their leaderboard: {shlex.join(['harness', *report])}")
        return 0
    slurm.require("sbatch")
    tell_lost(stored_plan(store, grid.name), grid, ruled=False)
    _tell_queued(store, grid.name, arguments.runs)
    words = ["run", *_others(argv)]
    try:
        store.write_plan(grid.name, record)
        if arguments.grid:
            words += ["--grid", str(submitting.frozen(Path(shipped.found(arguments.grid)), store))]
        words += ["--runs", str(store.root.absolute())]
        words = submitting.command(words, asked, arguments.placement, arguments.workers)
        submission = submitting.submit(grid.name, todo, store, asked, words, report)
    except Unwritable as error:  # no run is cut off by it
        mend = _MENDS.get(error.errno or 0, "give a --runs where files can be written")
        raise BadInput(error.filename, f"can't be written ({error.strerror})", mend) from error
    print(_told(submission, len(todo), arguments.runs, out))
    return 0


def cancel(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness import slurm
    from harness.store import Store, onlooker

    slurm.require("scancel")
    root, grid = Store(arguments.runs).root, onlooker.named(arguments.grid) if arguments.grid else None
    known = {each.grid for each in slurm.submissions(root)}
    if grid and grid not in known:
        raise BadInput(arguments.grid, f"no grid of this name was submitted for {arguments.runs}", nearest(grid, known))
    waiting = slurm.in_queue(root, grid)
    for submission, jobs in waiting:
        slurm.cancel(jobs)
        print(f"cancelled, grid {submission.grid}: {plural(len(jobs), 'job')} ({', '.join(jobs)})")
    if not waiting:
        print(f"no job of {grid or 'any grid'} in {arguments.runs} is in the queue")
    return 0


def _tell_queued(store: Store, grid: str, runs: str) -> None:
    """Says which jobs of an earlier submission train along."""
    from harness import slurm

    for _, jobs in slurm.in_queue(store.root, grid):
        told = f"note: {plural(len(jobs), 'job')} of an earlier submission still in the queue ({', '.join(jobs)})"
        print(f"{told}, which train the same grid; `{_stop(grid, runs)}` stops these and the new ones", file=sys.stderr)


def _check_weights(plan: Plan, store: Store, command: str) -> None:
    """Jobs don't train for weights alone. Raises `BadInput` where runs were done without them."""
    from harness.verify import regain

    if lacking := regain.lacking(plan, store):
        what = f"{plural(len(lacking), 'run')} done before without weights, and no job trains a run again for them"
        raise BadInput("--save-model", what, f"`{command} --save-model` does; or submit without it")


def _asked(settings: Slurm, arguments: argparse.Namespace) -> Slurm:
    """The grid file's section, and what the command line says instead."""
    from harness.settings import Word, parse

    told = {name: getattr(arguments, name) for name in ("partition", "gpus_per_run", "max_jobs")}
    given = {name: Word(value) for name, value in told.items() if value is not None}
    return parse(type(settings), {**dataclasses.asdict(settings), **given}, "slurm")


def _others(argv: list[str]) -> list[str]:
    """What of `submit`'s command line a job's `run` takes as it stands: neither the cluster, nor the grid and store."""
    own = argparse.ArgumentParser(add_help=False)
    _of_the_cluster(own)
    own.add_argument("--grid", nargs="?")
    own.add_argument("--runs")
    return own.parse_known_args(argv[1:])[1]


def _told(submission: Submission, todo: int, runs: str, out: Path) -> str:
    """What was submitted, and how to go on from here."""
    jobs = submission.jobs
    return "\n".join(
        [
            f"{plural(todo, 'run')} of grid {submission.grid} in three jobs, one after the other:",
            f"  {jobs['caches']:>8}  fills the caches",
            f"  {jobs['training']:>8}  trains",
            f"  {jobs['leaderboard']:>8}  writes {out}",
            f"watch:  {shlex.join(['harness', 'watch', '--grid', submission.grid, '--runs', runs])}",
            f"logs:   {runs}/slurm/{{{','.join(jobs.values())}}}_*.out",
            f"stop:   {_stop(submission.grid, runs)}",
        ]
    )


def _stop(grid: str, runs: str) -> str:
    return shlex.join(["harness", "cancel", "--grid", grid, "--runs", runs])
