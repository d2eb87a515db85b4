"""A grid as jobs of a SLURM cluster, through submitit.

Three jobs follow each other: one fills the caches, an array trains, one writes the leaderboard. A job of the array is
no run: it claims runs from the store by lease, as any process does, until there is none that nobody holds. So many
short runs cost one place in the queue, and what became of them is said by the store alone. Nothing here trains.
"""

from __future__ import annotations

import hashlib
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from submitit import SlurmExecutor
from submitit.core.utils import FailedJobError, FailedSubmissionError

from harness import slurm
from harness.errors import BadInput, Unwritable
from harness.files import write_bytes
from harness.plan import Run
from harness.schedule.task import SINCE, TASK, Task
from harness.slurm import Slurm, Submission
from harness.store import Store

REPORT = 30  # minutes that the job which writes the leaderboard may take
# A line of `slurm.setup` that fails ends the job there; not a line of a file that it sources, such as ~/.bashrc.
_SETUP = """\
trap 'code=$?; [ ${#BASH_SOURCE[@]} -gt 1 ] || { \
echo "harness: slurm.setup: $(sed -n ${LINENO}p "$0"): exit code $code" >&2; exit $code; }' ERR"""


def submit(
    name: str, todo: Sequence[Run], store: Store, asked: Slurm, words: Sequence[str], report: Sequence[str]
) -> Submission:
    """Puts the runs of a grid that are to do into the queue: all three jobs, or none.

    `words` are the command that trains them, `report` the one that writes their leaderboard, and `asked` what their
    jobs ask of the cluster. Raises `BadInput` where SLURM refuses them, `Unwritable` where they can't be stored.
    """
    since = str(max(_written(store, run) for run in todo))
    alone, training = _alone(asked), min(asked.max_jobs, len(todo))
    jobs: dict[str, str] = {}
    mark = uuid.uuid4().hex[:6]  # finds a job whose id was not heard
    names = {does: f"harness {name} {does} {mark}" for does in ("caches", "training", "leaderboard")}
    try:
        jobs["caches"] = _put(store, names["caches"], asked, alone, [Task([*words], {TASK: "prepare"})])
        filled = f"afterok:{jobs['caches']}"
        tasks = [Task([*words], {TASK: "train", SINCE: since})] * training
        jobs["training"] = _put(store, names["training"], asked, _together(asked) | {"dependency": filled}, tasks)
        trained = f"{filled},afterany:{jobs['training']}"
        last: dict[str, Any] = {"dependency": trained, "time": min(REPORT, asked.time), "gpus_per_node": None}
        jobs["leaderboard"] = _put(store, names["leaderboard"], asked, alone | last, [Task([*report], {})])
        submission = Submission(name, jobs)
        slurm.keep(store.root, submission)
    except BaseException:
        _take_back(names.values())
        raise
    return submission


def _take_back(names: Iterable[str]) -> None:
    """Cancels jobs whose submission did not come to its end, whatever ended it."""
    for name in names:
        try:
            slurm.cancel_named(name)
        except BadInput as error:
            print(f"may still be in the queue: job {name!r} ({error})", file=sys.stderr)
            return


def frozen(grid: Path, store: Store) -> Path:
    """A copy of the grid file as it is now, for jobs that read it when they start: who edits it meanwhile plans anew.

    It lies beside the logs, under its content's hash, and keeps its name: that is the grid's.
    """
    content = grid.read_bytes()
    kept = slurm.folder(store.root).absolute() / "grids" / hashlib.sha256(content).hexdigest()[:12] / grid.name
    write_bytes(kept, content)
    return kept


def command(words: Sequence[str], asked: Slurm, placement: str, workers: str) -> list[str]:
    """The command of a training job: told how many processes there will be where it can't see that itself."""
    told = [*words]
    if asked.processes > 1 and placement == "auto":
        told += ["--placement", "data"]
    elif not asked.gpus_per_run and asked.processes == 1 and workers == "auto":
        told += ["--workers", str(asked.cpus)]  # not every cluster keeps a job to its own cores
    return told


def _alone(asked: Slurm) -> dict[str, Any]:
    """One process, and one GPU if runs have any: as they will be trained, so are the caches filled."""
    return {"nodes": 1, "ntasks_per_node": 1, "gpus_per_node": 1 if asked.gpus_per_run else None}


def _together(asked: Slurm) -> dict[str, Any]:
    """A process for each GPU of a run."""
    each = asked.processes // asked.nodes
    return {"nodes": asked.nodes, "ntasks_per_node": each, "gpus_per_node": each if asked.gpus_per_run else None}


def _put(store: Store, name: str, asked: Slurm, more: Mapping[str, Any], tasks: list[Task]) -> str:
    """Submits tasks as one job, an array if they are several, and returns its id."""
    executor = SlurmExecutor(slurm.folder(store.root).resolve(), max_num_timeout=asked.requeues)
    parameters = {
        "job_name": name,
        "partition": asked.partition or None,
        "account": asked.account or None,
        "qos": asked.qos or None,
        "constraint": asked.constraint or None,
        "time": asked.time,
        "cpus_per_task": asked.cpus,
        "mem": f"{asked.memory}GB" if asked.memory else None,
        "setup": [_SETUP, *asked.setup, "trap - ERR", "export SUBMITIT_PREEMPT_SIGNAL=USR1"],
        "array_parallelism": asked.at_once or len(tasks),
        "stderr_to_stdout": True,
        "wckey": None,
        "additional_parameters": {
            "signal": f"USR1@{asked.warning}",  # USR2 is what processes tell their workers
            "requeue": True,
            "kill-on-invalid-dep": "yes",
            **asked.options,
        },
    }
    executor.update_parameters(**{**parameters, **more})
    try:
        with executor.batch():
            jobs = [executor.submit(task) for task in tasks]
    except (FailedJobError, FailedSubmissionError) as error:
        told = f"slurm.cpus={asked.cpus}, gpus_per_run={asked.gpus_per_run}, nodes={asked.nodes}, memory={asked.memory}"
        mend = f"asked for were {told}: ask less; `sinfo --Format=nodes,cpus,memory,gres` tells what there is"
        if "array" in str(error):
            mend = f"give slurm.max_jobs less than {len(tasks)}: a job trains many runs, one after the other"
        raise BadInput("sbatch", f"refuses the job: {_reason(error)}", mend) from error
    except OSError as error:
        raise Unwritable(error.errno, error.strerror, error.filename or str(executor.folder)) from error
    return jobs[0].job_id.partition("_")[0]


def _reason(error: Exception) -> str:
    """What sbatch says, without its name before each line."""
    lines = [line.removeprefix("sbatch: ").removeprefix("error: ") for line in str(error).splitlines()]
    return "; ".join(line for line in lines if line.strip())


def _written(store: Store, run: Run) -> int:
    """When the result of a run was written that failed before (ns); 0 where there is none."""
    try:
        return (store.folder(run.dataset, run.run_id) / "result.json").stat().st_mtime_ns
    except FileNotFoundError:
        return 0
