"""A component in two processes or in micro-batches must train what it trains in one: the records that are compared.

As a module it is what torchrun starts twice: it trains the component there and writes the first process's record.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from harness import plugins
from harness.conformance.bench import TRAIN, Bench

SETTINGS = dataclasses.replace(TRAIN, optimizer="sgd", lr=0.05)  # adamw would make a rounding error a step
LIMIT = 600.0  # seconds that two processes may take,
GRACE = 45.0  # and their launcher to end them, of which it gives them 30

Record = dict[str, Any]


def record(bench: Bench, accumulation: int = 1) -> Record:
    """Losses and weights λ by epoch, sums of all weights and buffers, and probabilities; without dropout."""
    trained = bench.train(bench.method(), dataclasses.replace(SETTINGS, accumulation=accumulation), still=True)
    state = trained.learner.state_dict().items()
    return {
        "losses": [row["losses"] for row in trained.outcome.history],
        "weights": [row["weights"] for row in trained.outcome.history],
        "state": {name: value.double().sum().item() for name, value in state},
        "probabilities": {name: rows.tolist() for name, rows in trained.outcome.probabilities.items()},
    }


def two_processes(name: str) -> Record:
    """The record of the same training by two processes. Raises `RuntimeError` with what they said when they fail."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "record.json"
        file = (plugins.source("methods", name) or {}).get("file")
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
        command += ["-m", "harness.conformance.processes", name, str(out), *([file] if file else [])]
        seen = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
        code, said = _ended(command, seen)
        if code:
            errors = [line for line in said.splitlines() if "Error" in line and "torch/distributed" not in line]
            raise RuntimeError(errors[0] if errors else f"torchrun ended with {code}")
        return json.loads(out.read_text())


def _ended(command: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Exit code of a launcher and what it said. One that takes too long, or that nobody waits for any more, is ended.

    It is asked to, since it alone can end its processes: each is in a session of its own, and would outlive it. And it
    hears of Ctrl-C by us alone, so that nothing cuts its clearing up short.
    """
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, start_new_session=True, **pipes) as launcher:
        try:
            said = launcher.communicate(timeout=LIMIT)[1]
        except BaseException:
            launcher.terminate()
            with suppress(subprocess.TimeoutExpired):
                launcher.communicate(timeout=GRACE)
            launcher.kill()
            raise
    return launcher.returncode, said


def difference(one: Any, two: Any, at: str = "") -> str:
    """The first place where two records are further apart than rounding explains; empty when there is none."""
    if isinstance(one, Mapping):
        odd = sorted(one.keys() ^ two.keys())
        return f"{at}{odd[0]}" if odd else _first(difference(one[key], two[key], f"{at}{key} ") for key in one)
    if isinstance(one, list):
        return _first(difference(a, b, f"{at}[{n}] ") for n, (a, b) in enumerate(zip(one, two, strict=True)))
    return "" if math.isclose(one, two, rel_tol=1e-3, abs_tol=1e-4) else f"{at}is {one:.6g} and {two:.6g}"


def _first(found: Any) -> str:
    return next(filter(None, found), "")


def _main(name: str, out: str, *files: str) -> None:
    torch.set_num_threads(1)
    for file in files:
        plugins.add_file(file)
    bench = Bench(plugins.get("methods", name))
    found = record(bench)
    if bench.accelerator.is_main_process:
        Path(out).write_text(json.dumps(found))


if __name__ == "__main__":
    _main(*sys.argv[1:])
