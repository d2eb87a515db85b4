"""What runs inside a job of the cluster: the command as a process of its own, and somebody who listens for it.

SLURM may tell only the first process of a job that its time is over, so that one passes it on and waits until all is
saved. Then submitit, which called it, puts the job back into the queue. A process that is killed is started again:
who trains next counts the death, and a run that kills two processes is told as failed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from harness.signals import INTERRUPTED

HARNESS = (sys.executable, str(Path(__file__).parents[1]))  # not `-m`, which takes modules from the current folder
STARTS = 5  # of a process that is killed each time
TASK = "HARNESS_TASK"  # set in a job's command: `prepare` fills the caches, `train` trains what nobody else does,
SINCE = "HARNESS_SINCE"  # and until when results are of earlier calls (ns, by the clock of the store's file system)


class Task:
    """A command of `harness` with the environment that makes it one of a job's; called and checkpointed by submitit."""

    def __init__(self, words: list[str], environment: Mapping[str, str]) -> None:
        self.words, self.environment = words, dict(environment)
        self._process: subprocess.Popen | None = None
        self._told = False

    def __call__(self) -> None:
        """Exits as the command does when it fails, so that SLURM shows the job as failed; its last words say why."""
        signal.signal(signal.SIGTERM, self._tell)
        ranks, first = _ranks(), int(os.environ.get("SLURM_PROCID", 0)) == 0
        for start in range(1, STARTS + 1):
            code = self._run(ranks)
            if code >= 0 or self._told or ranks:  # those that train along with a dead one leave by themselves
                break
            killer = signal.Signals(-code).name
            print(f"harness: killed by {killer} (start {start} of {STARTS})", file=sys.stderr, flush=True)
        if self._told and code == INTERRUPTED:
            sys.exit()  # a return would have submitit say that the job is completed, an exception print a traceback
        if code and first:  # the others' failures would have SLURM end the first before it has saved
            sys.exit(max(code, 1))

    def checkpoint(self) -> Any:
        """Called in place of the job's end: what is to run when the job comes up again, once all is saved."""
        from submitit.helpers import DelayedSubmission

        self._tell()
        self._wait()
        return DelayedSubmission(Task(self.words, self.environment))

    def _run(self, ranks: Mapping[str, str]) -> int:
        self._process = subprocess.Popen(
            [*HARNESS, *self.words],
            env={**os.environ, **self.environment, **ranks},
            stdin=subprocess.DEVNULL,
        )
        if self._told:  # while it was being started
            self._process.send_signal(signal.SIGUSR2)
        self._wait()
        return self._process.wait()

    def _wait(self) -> None:
        """Waits without a lock, since a signal may call for a checkpoint in the middle of it."""
        if self._process is not None:
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)

    def _tell(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Asks the process to save and stop: once, and by the signal that SLURM itself doesn't send."""
        if not self._told:
            self._told = True
            if self._process is not None:
                self._process.send_signal(signal.SIGUSR2)


def _ranks() -> dict[str, str]:
    """What torch wants to know where several processes of a job train a run together; nothing where one does."""
    world = int(os.environ.get("SLURM_NTASKS", 1))
    if world == 1:
        return {}
    from submitit.helpers import TorchDistributedEnvironment

    told = TorchDistributedEnvironment()
    return {
        "MASTER_ADDR": told.master_addr,
        "MASTER_PORT": str(told.master_port),
        "RANK": str(told.rank),
        "WORLD_SIZE": str(told.world_size),
        "LOCAL_RANK": str(told.local_rank),
        "LOCAL_WORLD_SIZE": str(told.local_world_size),
    }
