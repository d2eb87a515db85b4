"""What the launcher gave this process: rank, device, world, precision, and whether it is what was asked for.

`accelerate launch`, `torchrun`, a bare `python -m` and our own workers all end here. In `pair` placement no
process group exists: each process hides the rank variables and is a one-process Accelerator on its own device.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs

from harness import shipped
from harness.errors import BadInput
from harness.schedule.task import SINCE, TASK
from harness.words import plural

WORKER = "HARNESS_WORKER"  # set in worker processes that `crew` starts: their number, from 1,
LEAD = "HARNESS_LEAD"  # and the process that started them
_RANK_VARIABLES = (
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "GROUP_RANK",
    "ROLE_RANK",
    "MASTER_ADDR",
    "MASTER_PORT",
    "GROUP_WORLD_SIZE",
    "ROLE_WORLD_SIZE",
)
_hidden: dict[str, str] = {}  # what the launcher told, once `pair` placement has hidden it from Accelerate


@dataclass(frozen=True)
class Launch:
    """Rank and world of this process; `worker` is 0 in what the launcher started, else the worker's number.

    A worker also knows the process that started it, a job of a cluster what it is for (`prepare` or `train`), and both
    until when results are of earlier calls (ns).
    """

    rank: int
    local_rank: int
    world: int
    local_world: int
    worker: int
    lead: int = 0
    since: int = 0
    task: str = ""

    @property
    def leads(self) -> bool:
        """Whether this process speaks for all: prints, and writes the leaderboard."""
        return self.rank == 0 and self.worker == 0


def here() -> Launch:
    """The launch of this process, as the launcher told it in the environment."""

    def number(name: str, default: int) -> int:
        return int(os.environ.get(name) or _hidden.get(name) or default)

    return Launch(
        rank=number("RANK", 0),
        local_rank=number("LOCAL_RANK", 0),
        world=number("WORLD_SIZE", 1),
        local_world=number("LOCAL_WORLD_SIZE", 1),
        worker=number(WORKER, 0),
        lead=number(LEAD, 0),
        since=number(SINCE, 0),
        task=os.environ.get(TASK, ""),
    )


def shortfall(launch: Launch) -> str:
    """A sentence when the launcher was asked for more processes than it started; empty when all is well."""
    if launch.worker or "WORLD_SIZE" in os.environ or "MASTER_ADDR" not in os.environ:
        return ""  # a launcher that was asked for several and starts one leaves MASTER_ADDR without WORLD_SIZE
    asked = _asked_of_parent()
    return (
        f"asked for {asked or 'several'} processes, given 1: without GPUs `accelerate launch` starts one unless told "
        "`--multi_gpu --main_process_port 0`; `torchrun --nproc_per_node N -m harness …` starts N, "
        "and `--workers` uses the cores of one"
    )


def accelerator(launch: Launch, placement: str) -> Accelerator:
    """This process's Accelerator: one process in `pair` placement, all of them together in `data` placement."""
    if placement == "pair":
        if torch.cuda.device_count() > 1 and not _hidden:  # else the device was chosen before
            os.environ["CUDA_VISIBLE_DEVICES"] = str(_visible_devices()[launch.local_rank % torch.cuda.device_count()])
        _hidden.update((name, os.environ.pop(name)) for name in _RANK_VARIABLES if name in os.environ)
    cpu = not torch.cuda.is_available()
    if cpu and launch.task:
        _need_no_gpu()
    warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated")  # the successor came with torch 2.14
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")  # a copy more of a few gradients
    made = Accelerator(cpu=cpu, kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)])
    expected = 1 if placement == "pair" else launch.world
    if made.num_processes != expected:
        what = f"{expected} processes were launched but Accelerate sees {made.num_processes}"
        raise BadInput("launcher", what, f"{shipped.found(shipped.LAUNCHER)} is a configuration that works")
    return made


def _need_no_gpu() -> None:
    """Raises `BadInput` where SLURM gave this job GPUs, unless Accelerate is told to use the CPU."""
    given = int(os.environ.get("SLURM_GPUS_ON_NODE", 0))
    if not given or "ACCELERATE_USE_CPU" in os.environ:
        return
    try:
        torch.cuda.init()
        why = "no reason is known"
    except (AssertionError, RuntimeError) as error:
        why = str(error).partition(". ")[0]
    mend = "load what torch needs in slurm.setup (`harness doctor` looks), or say slurm.gpus_per_run = 0 for the CPU"
    raise BadInput("slurm.gpus_per_run", f"torch sees none of the {plural(given, 'GPU')} of this job: {why}", mend)


def _visible_devices() -> list[str]:
    listed = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return listed.split(",") if listed else [str(i) for i in range(torch.cuda.device_count())]


def _asked_of_parent() -> str:
    """`--num_processes` on the command line of the process that started us, where that can be read."""
    if not sys.platform.startswith("linux"):
        return ""
    try:
        words = Path(f"/proc/{os.getppid()}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
    match = re.search(r"--num[_-]processes[ =](\d+)", words)
    return match.group(1) if match else ""
