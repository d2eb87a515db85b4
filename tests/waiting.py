"""Runs that nobody trains, for tests of who trains what."""

from __future__ import annotations

import os
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from harness.files import write_json
from harness.protocol import Train
from harness.schedule.launch import Launch
from harness.store import Store
from harness.training.writing import Writer

ONE = Launch(rank=0, local_rank=0, world=1, local_world=1, worker=0)
RUN = types.SimpleNamespace(dataset="caer", fold=0, run_id="run", copy="caer", method="prompt", seed=0, spec={})
RESULT = {
    "dataset": "caer",
    "method": "prompt",
    "seed": 0,
    "error": {"type": "E", "message": "broken"},
    "alarms": 0,
    "metrics": {},
    "epoch": 0,
    "duration_s": 1.0,
}


def runs(*names: str) -> list[Any]:
    return [types.SimpleNamespace(**{**vars(RUN), "run_id": name}) for name in names]


def stored(store: Store, status: str, at: int = 0, name: str = "run") -> None:
    folder = store.folder("caer", name)
    write_json(folder / "spec.json", {})
    write_json(folder / "result.json", {**RESULT, "status": status})
    if at:
        os.utime(folder / "result.json", ns=(at, at))


def hold(folder: Path) -> None:
    """A process of another machine holds the run of a folder."""
    write_json(folder / "lease.json", {"id": "x", "place": "another machine", "pid": 1, "started": "1"})


class Runner:
    """Trains nothing; what happens meanwhile is given."""

    grid = types.SimpleNamespace(sections={"train": Train()})
    placement = "pair"

    def __init__(self, meanwhile: Callable[[Path], None], accelerator: Any = None) -> None:
        self.meanwhile, self.trained = meanwhile, list[str]()
        self.accelerator = accelerator or Accelerator(cpu=True)

    def steps(self, run: Any) -> int:
        return 1

    def execute(self, run: Any, folder: Path, viewer: Any, commit: Any) -> dict[str, Any]:
        self.trained.append(run.run_id)
        writer = Writer(folder, commit, writes=True)
        writer.begin({}, {})
        self.meanwhile(folder)
        writer.end(result := {**RESULT, "run_id": run.run_id, "status": "failed"}, [], None)
        return result
