"""What we say to SLURM and hear from it: the `[slurm]` section of a grid file, the queue, and which jobs are ours.

A submission is a file `RUNS/slurm/<id of its training job>.json`, beside the logs of its jobs. What became of the runs
is not asked here: the store knows, whichever job trained them.
"""

from __future__ import annotations

import getpass
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.errors import BadInput
from harness.files import Damaged, read_json, write_json
from harness.settings import knob

ANSWER = 60  # seconds that a controller may take: a busy one needs some
EARLY, START = 60, 30  # seconds: how much too early SLURM may warn, and what a job takes at least until it trains
_ENDED = {
    *("COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE"),
    *("PREEMPTED", "REVOKED"),
}
_WANTED = {"COMPLETED", "CANCELLED", "PREEMPTED", "REVOKED"}
_NEVER = re.compile(r"PENDING \((BadConstraints|Invalid\w+|Partition(Config|NodeLimit|TimeLimit)|\w+PerJob(Limit)?)\)")
_GOOD = "Exiting after successful completion"  # submitit's last line where a task returned
_TAIL = 2**16  # bytes of a log that are looked at


@dataclass(frozen=True)
class Slurm:
    """What a grid's jobs ask of the cluster. No part of a run's id: where a run is trained changes no number."""

    partition: str = knob("", "where the jobs run; empty: the cluster's default")
    account: str = knob("", "who pays; empty: your default account")
    qos: str = knob("", "quality of service; empty: the cluster's default")
    constraint: str = knob("", "features that a node must have, such as `a100|h100`")
    time: int = knob(240, "limit of a job, which saves and queues again when it is reached", low=2, unit="min")
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
        if 60 * self.time < self.warning + EARLY + START:
            what = f"{self.warning} s before its limit a job of {self.time} min has hardly begun to train"
            least = -(-(self.warning + EARLY + START) // 60)
            mend = f"give less, or a slurm.time from {least} min: SLURM may warn {EARLY} s too early"
            raise BadInput("slurm.warning", what, mend)
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
    paths = [path for path in folder(runs).glob("*.json") if path.stem.isdecimal()]  # another may be the user's own
    found = [_submission(path) for path in sorted(paths, key=lambda path: int(path.stem))]
    return [each for each in found if grid in (None, each.grid)]


def _submission(path: Path) -> Submission:
    told = read_json(path)
    grid, jobs = told.get("grid"), told.get("jobs")
    if not (isinstance(grid, str) and isinstance(jobs, dict) and all(isinstance(job, str) for job in jobs.values())):
        raise Damaged(str(path), "is no submission of ours", "move it elsewhere")
    return Submission(grid, jobs)


# ── the queue ───────────────────────────────────────────────────────────────────────────────────────────────


def require(program: str) -> None:
    """Raises `BadInput` on a machine without this program of SLURM's."""
    if not shutil.which(program):
        mend = "go to a login node of your cluster; without one, `harness run` trains here"
        raise BadInput(program, "there is no SLURM on this machine", mend)


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


def broken(states: Mapping[str, int]) -> bool:
    """Whether a task of a job ended otherwise than by itself and well, or by somebody's wish."""
    return bool(set(states) & (_ENDED - _WANTED))


def impossible(states: Mapping[str, int]) -> bool:
    """Whether a job waits for what it will never be given."""
    return any(_NEVER.fullmatch(state) for state in states)


def last_words(runs: Path, job: str) -> tuple[str, str]:
    """The newest log of a job's that tells no good end, and the last line in it that is *harness*'s; empty if none."""
    logs = sorted(folder(runs).glob(f"{job}_*.out"), key=lambda log: log.stat().st_mtime_ns, reverse=True)
    tails = {str(log): _tail(log) for log in logs}
    bad = [(log, _ours(tail)) for log, tail in tails.items() if _GOOD not in tail]
    return max(bad, key=lambda each: bool(each[1]), default=("", ""))


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - _TAIL, 0))
        return file.read().decode(errors="replace")


def _ours(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.startswith("harness: ")), "")


def in_queue(runs: Path, grid: str | None) -> list[tuple[Submission, list[str]]]:
    """Which jobs of a store (for this grid) have not ended, by submission."""
    known = submissions(runs, grid)
    states = queue(job for each in known for job in each.jobs.values())
    ours = [(each, sorted(each.jobs.values(), key=int)) for each in known]
    found = [(each, [job for job in jobs if waiting(states.get(job, {}))]) for each, jobs in ours]
    return [(each, jobs) for each, jobs in found if jobs]


def cancel(jobs: Sequence[str]) -> None:
    """Ends jobs: those that train save their runs first. Raises `BadInput` where SLURM refuses."""
    _asked(["scancel", *jobs])


def cancel_named(name: str) -> None:
    """Ends jobs of this user by their name, for who has not heard their ids. Raises `BadInput` where SLURM refuses."""
    _asked(["scancel", f"--user={getpass.getuser()}", f"--name={name}"])


def _asked(words: Sequence[str]) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=ANSWER, check=True)
    except subprocess.CalledProcessError as error:
        raise BadInput(words[0], f"failed: {error.stderr.strip()}", "see whether the cluster is up: sinfo") from error
    except subprocess.TimeoutExpired as error:
        raise BadInput(words[0], f"no answer in {ANSWER} s", "see whether the cluster is up: sinfo") from error
    return done.stdout
