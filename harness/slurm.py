"""What we say to SLURM and hear from it: the `[slurm]` section of a grid file, the queue, and which jobs are ours.

A submission is a file `RUNS/slurm/<id of its training job>.json`, beside the logs of its jobs. What became of the runs
is not asked here: the store knows, whichever job trained them.
"""

from __future__ import annotations

import getpass
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.errors import BadInput
from harness.files import read_json, write_json
from harness.settings import knob

ANSWER = 60  # seconds that a controller may take: a busy one needs some
_ENDED = {"COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE"}


@dataclass(frozen=True)
class Slurm:
    """What a grid's jobs ask of the cluster. No part of a run's id: where a run is trained changes no number."""

    partition: str = knob("", "where the jobs run; empty: the cluster's default")
    account: str = knob("", "who pays; empty: your default account")
    qos: str = knob("", "quality of service; empty: the cluster's default")
    constraint: str = knob("", "features that a node must have, such as `a100|h100`")
    time: int = knob(240, "limit of a job, which saves and queues again when it is reached", low=1, unit="min")
    warning: int = knob(120, "how long before its limit a job saves", low=30, unit="s")
    requeues: int = knob(50, "how often a job queues again at its limit", low=0)
    gpus_per_run: int = knob(1, "GPUs that train a run together; 0: the CPU", low=0)
    nodes: int = knob(1, "nodes over which those GPUs are spread", low=1)
    cpus: int = knob(4, "cores a process", low=1)
    memory: int = knob(0, "of a node; 0: the cluster's default", low=0, unit="GB")
    max_jobs: int = knob(8, "training jobs, each of which trains many runs", low=1)
    at_once: int = knob(0, "training jobs that may run at the same time; 0: all", low=0)
    setup: tuple[str, ...] = knob((), "lines of shell before the training, such as `module load cuda`")
    options: Mapping[str, str] = knob({}, 'other options of sbatch: {"mail-type" = "END"}')

    @property
    def processes(self) -> int:
        """How many train a run together."""
        return max(self.gpus_per_run, self.nodes)

    def __post_init__(self) -> None:
        if self.warning > 30 * self.time:
            what = f"{self.warning} s before its limit is more than half of a job of {self.time} min"
            raise BadInput("slurm.warning", what, "give less, or a longer slurm.time")
        if self.processes % self.nodes:
            what = f"{self.gpus_per_run} GPUs can't be spread evenly over {self.nodes} nodes"
            raise BadInput("slurm.gpus_per_run", what, "give a multiple of slurm.nodes")


# ── jobs ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Submission:
    """What one `harness submit` put into the queue: job ids by what they do."""

    grid: str
    jobs: dict[str, str]


def folder(runs: Path) -> Path:
    """Where the jobs of a store keep their logs and what they are to do."""
    return runs / "slurm"


def keep(runs: Path, submission: Submission) -> None:
    """Remembers it. Raises `Unwritable`."""
    write_json(folder(runs) / f"{submission.jobs['training']}.json", asdict(submission))


def submissions(runs: Path, grid: str | None = None) -> list[Submission]:
    """Those of a store (for this grid), the oldest first. Raises `Damaged`."""
    paths = sorted(folder(runs).glob("*.json"), key=lambda path: int(path.stem))
    found = [Submission(**read_json(path)) for path in paths]
    return [each for each in found if grid in (None, each.grid)]


# ── the queue ───────────────────────────────────────────────────────────────────────────────────────────────


def require() -> None:
    """Raises `BadInput` on a machine from which nothing can be submitted."""
    if not shutil.which("sbatch"):
        mend = "submit from a login node of your cluster; without one, `harness run` trains here"
        raise BadInput("submit", "there is no SLURM on this machine (no `sbatch`)", mend)


def queue(jobs: Iterable[str]) -> dict[str, Counter[str]]:
    """How many jobs are in which state, by job id (an array is one), of those that SLURM still knows.

    Those that ended are known for some minutes. A state may say why: `PENDING (Priority)`.
    """
    wanted, found = set(jobs), dict[str, Counter[str]]()
    if wanted and shutil.which("squeue"):
        words = ["squeue", "--noheader", "--array", "--states=all", f"--user={getpass.getuser()}", "--format=%F|%T|%r"]
        for job, state, reason in (line.split("|", 2) for line in _asked(words).splitlines()):
            if job in wanted:
                why = f" ({reason})" if state == "PENDING" and reason not in ("None", "") else ""
                found.setdefault(job, Counter())[state + why] += 1
    return found


def waiting(states: Mapping[str, int]) -> bool:
    """Whether a job in these states has not ended."""
    return bool(set(states) - _ENDED)


def cancel(jobs: Sequence[str]) -> None:
    """Ends jobs: those that train save their runs first. Raises `BadInput` where SLURM refuses."""
    _asked(["scancel", *jobs])


def cancel_waiting(runs: Path, grid: str | None) -> Iterator[tuple[Submission, list[str]]]:
    """Cancels what is in the queue for a store (and a grid), and tells which jobs that were."""
    known = submissions(runs, grid)
    states = queue(job for each in known for job in each.jobs.values())
    for each in known:
        jobs = [job for job in each.jobs.values() if waiting(states.get(job, {}))]
        if jobs:
            cancel(jobs)
            yield each, jobs


def _asked(words: Sequence[str]) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=ANSWER, check=True)
    except subprocess.CalledProcessError as error:
        raise BadInput(words[0], f"failed: {error.stderr.strip()}", "see whether the cluster is up: sinfo") from error
    except subprocess.TimeoutExpired as error:
        raise BadInput(words[0], f"no answer in {ANSWER} s", "see whether the cluster is up: sinfo") from error
    return done.stdout
