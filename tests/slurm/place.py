"""A folder from which grids are submitted, as from a login node, and looks at the queue and at what came of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faults.lab import stored

EPOCHS, STEPS = 3, 4  # of a run below: 28 clips in batches of 8
RUNS = 4
GRID = """\
datasets = ["caer"]
seeds = [0, 1]
methods = ["prompt+paced", "prompt+lsr+paced"]
[train]
epochs = 3
limit = 4
batch_size = 8
[clips]
frames = 4
views = 1
[slurm]
gpus_per_run = 0
cpus = 1
max_jobs = 2
warning = 30
"""
Seen = tuple[dict[str, Any], dict[str, bytes]]


class Place:
    """A folder with a grid file. `pace` is what each step takes, in seconds."""

    def __init__(self, folder: Path, pace: float = 0.0) -> None:
        self.folder, self.runs = folder, folder / "runs"
        (folder / "small.toml").write_text(GRID)
        self.words = ("--grid", "small.toml", "--plugin", str(Path(__file__).with_name("paced.py")))
        told = {"PACED_STEPS": str(folder / "steps"), "PACED_SECONDS": str(pace), "OMP_NUM_THREADS": "1"}
        self.environment = {**os.environ, **told}

    def harness(self, *words: object, code: int = 0) -> str:
        """Gives a command that ends with `code`, and returns all that it said."""
        done = subprocess.run(
            [sys.executable, "-m", "harness", *map(str, words)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def submit(self, *words: object) -> dict[str, str]:
        """Submits the grid, and returns the ids of its jobs."""
        self.harness("submit", *self.words, "--save-every", "0", *words)
        newest = max((self.runs / "slurm").glob("*.json"), key=lambda path: int(path.stem))
        return json.loads(newest.read_text())["jobs"]

    def steps(self) -> list[int]:
        """The process of each step that was trained, whoever trained it."""
        file = self.folder / "steps"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def log(self, job: str = "") -> str:
        return "".join(path.read_text() for path in sorted((self.runs / "slurm").glob(f"{job}*.out")))

    def seen(self) -> Seen:
        """What the runs store, and the leaderboard's files, but for how long and in how many pieces each took."""
        folder = self.folder / "leaderboards" / "small"
        files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        how = re.compile(rb'"(seconds|resumed)":[0-9.]+')
        return stored(self.runs), {name: how.sub(b"", content) for name, content in files.items()}


def asked(*words: str) -> list[str]:
    """The lines that SLURM answers."""
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()


def states(job: str) -> list[str]:
    """The states of a job's tasks."""
    return asked("squeue", "--noheader", "--array", "--states=all", f"--jobs={job}", "--format=%T")


def ended(jobs: dict[str, str]) -> bool:
    return all(set(states(job)) <= {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"} for job in jobs.values())


def wait_for(condition: Callable[[], Any], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, asked("squeue", "--me", "--states=all")
        time.sleep(0.2)
