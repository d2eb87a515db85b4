"""What runs in a job of a cluster, where only the first process is told anything, as on a cluster with cgroups."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from faults.lab import wait_for
from slurm.place import EPOCHS, STEPS, Place

JOB = """
import json, signal, sys
from harness.schedule.task import Task

def told(*_):  # as submitit does it: a checkpoint, and the end
    again = task.checkpoint().function
    sys.exit(7 if (again.words, again.environment) == (task.words, task.environment) else 1)

task = Task(json.loads(sys.argv[1]), {"OF_A_JOB": "yes"})
signal.signal(signal.SIGUSR1, told)
task()
"""


def job(place: Place, *words: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", JOB, json.dumps(words)],
        cwd=place.folder,
        env=place.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGUSR1, 7)])
def test_what_the_job_is_told_reaches_the_run_which_is_saved(
    cache: Path, tmp_path: Path, number: int, code: int
) -> None:
    cache.mkdir(exist_ok=True)
    here = Place(tmp_path, pace=0.3)
    selected = ("--datasets", "caer", "--methods", "prompt+paced", "--seeds", "0")
    started = job(here, "run", *here.words, *selected, "--workers", "1", "--save-every", "0")
    wait_for(lambda: len(here.steps()) >= 2)
    started.send_signal(number)
    said, _ = started.communicate(timeout=60)
    assert started.returncode == code and "harness: interrupted" in said
    assert len(here.steps()) < EPOCHS * STEPS and list(here.runs.glob("caer/*/checkpoint/*"))


def test_a_command_that_is_killed_each_time_is_given_up(tmp_path: Path) -> None:
    here = Place(tmp_path)
    (tmp_path / "deadly.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    started = job(here, "plan", "--grid", "small.toml", "--plugin", "deadly.py")
    said, _ = started.communicate(timeout=60)
    assert started.returncode == 1
    assert said.count("killed by SIGKILL") == 5 and "Traceback" not in said


def test_a_command_that_fails_fails_the_job_at_once(tmp_path: Path) -> None:
    started = job(Place(tmp_path), "plan", "--grid", "none.toml")
    said, _ = started.communicate(timeout=60)
    assert started.returncode == 2
    assert len(said.splitlines()) == 1 and said.startswith("harness: bad input: none.toml"), said
