"""`harness plan --watch`: how far a grid is, from the store and the queue, again and again. It changes nothing.

The runs' states and the time left are the store's, whoever trains them: this machine, a cluster, or both. The queue
says what of the jobs is still to come, and why it does not begin.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass

from tabulate import tabulate

from harness import index, slurm
from harness import plan as planning
from harness.plan import Plan
from harness.slurm import Submission
from harness.store import Store
from harness.words import plural

PERIOD = 5.0  # seconds between two looks
STATES = ("done", "training", "cut off", "failed", "to do")
_AGAIN = "\x1b[H\x1b[J"  # the terminal's cursor to its first place, and all behind it away


@dataclass(frozen=True)
class Look:
    """What one look at the store and the queue saw."""

    runs: dict[str, Counter[str]]  # by data set, how many runs are in which of the `STATES`
    seconds: float | None  # what the rest takes whoever trains now, or one worker; None until a run of each set is done
    jobs: list[tuple[Submission, dict[str, Counter[str]]]]  # submitted for this grid, and those that the queue knows

    @property
    def ended(self) -> bool:
        """Whether no run is left: a failed one is trained again only when somebody asks for it."""
        return all(counts.total() == counts["done"] + counts["failed"] for counts in self.runs.values())

    @property
    def over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.ended and not any(slurm.waiting(states) for _, known in self.jobs for states in known.values())


def follow(plan: Plan, store: Store) -> None:
    """Prints what there is to see: once where nobody watches, on a terminal until nothing more will happen."""
    live = sys.stdout.isatty()
    while True:
        look = seen(plan, store)
        print(_AGAIN * live + text(plan.grid.name, look), flush=True)
        if not live or look.over:
            return
        time.sleep(PERIOD)


def seen(plan: Plan, store: Store) -> Look:
    """How far the wanted runs of a plan are now."""
    entries, left = index.entries(store), list[float | None]()
    runs: dict[str, Counter[str]] = {}
    for run, row in zip(plan.runs, planning.as_json(plan, store, "")["runs"], strict=True):
        if run.wanted:
            entry = entries.get((run.dataset, run.run_id))
            state = {"todo": "to do", "partial": "cut off"}.get(row["status"], row["status"])
            if row["status"] == "partial" and store.leased(run.dataset, run.run_id):
                state = "training"
            elif entry and entry.status == "failed":
                state = "failed"
            runs.setdefault(run.copy, Counter())[state] += 1
            left += [row["eta_s"]] if state != "failed" else []
    known = [seconds for seconds in left if seconds is not None]
    workers = max(sum(counts["training"] for counts in runs.values()), 1)
    seconds = sum(known) / workers if len(known) == len(left) else None
    submitted = slurm.submissions(store.root, plan.grid.name)
    queued = slurm.queue(job for each in submitted for job in each.jobs.values())
    jobs = [(each, {job: queued[job] for job in each.jobs.values() if job in queued}) for each in submitted]
    return Look(runs, seconds, jobs)


def text(grid: str, look: Look) -> str:
    """What a look saw, for people."""
    rows = [[name, counts.total(), *(counts[state] for state in STATES)] for name, counts in look.runs.items()]
    lines = [f"grid {grid}", "", tabulate(rows, ["data set", "runs", *STATES]), "", _left(look)]
    for submission, states in look.jobs:
        lines += [_job(kind, job, states.get(job)) for kind, job in _in_order(submission)] if states else []
    return "\n".join(lines)


def _left(look: Look) -> str:
    workers = sum(counts["training"] for counts in look.runs.values())
    if look.ended:
        return "all runs have ended"
    if look.seconds is None:
        return "time left: unknown until a run of each data set is done"
    hours, minutes = divmod(round(look.seconds / 60), 60)
    told = f"{hours} h {minutes:02} min" if hours else f"{minutes} min" if minutes else f"{look.seconds:.0f} s"
    return f"time left: {told} with {plural(max(workers, 1), 'worker')}" + ("" if workers else ", but none trains now")


def _in_order(submission: Submission) -> list[tuple[str, str]]:
    return sorted(submission.jobs.items(), key=lambda pair: int(pair[1]))


def _job(kind: str, job: str, states: Counter[str] | None) -> str:
    told = ", ".join(f"{count} {state}" if count > 1 else state for state, count in (states or {}).items())
    return f"job {job} ({kind}): {told or 'left the queue'}"
