"""Trackers, when asked for: each run's epochs as they come, told to TensorBoard, W&B, trackio or MLflow.

Accelerate's tracker classes are started, told and finished here, one run after the other, and not through
`Accelerator.end_training`, which would end the process group with the first of them. A tracker is a window, not a
record: the store keeps the same numbers, a tracker that fails is told and left out, and the training goes on.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from harness.config import PLACES
from harness.errors import BadInput, nearest
from harness.settings import spell
from harness.store.flat import leaves

TRACKERS = {"tensorboard": "tensorboard", "wandb": "wandb", "trackio": "trackio", "mlflow": "mlflow"}  # and packages
# Accelerate's finishes trackio's run and not its client, which would do so once more at exit, on our last line
_FINISH = {"trackio": lambda: importlib.import_module("trackio").finish()}
Trackers = Mapping[str, tuple[Any, Mapping[str, Any]]]  # by name, each with the run's configuration
_PATHS = (*PLACES, "pretrained", "file")  # of this machine: they go nowhere
TRIES, PAUSE = 3, 1.0  # seconds: two workers may make the same MLflow experiment at once


def check(names: Sequence[str]) -> None:
    """Raises `BadInput` for a tracker that we don't know, or whose package is not installed."""
    for name in names:
        if name not in TRACKERS:
            raise BadInput("--track", f"no tracker {name!r}", nearest(name, TRACKERS))
        if importlib.util.find_spec(TRACKERS[name]) is None:
            raise BadInput("--track", f"{name} is not installed", f"pip install {TRACKERS[name]}")


def of_run(names: Sequence[str], grid: str, run_id: str, spec: Mapping[str, Any], root: Path) -> Trackers:
    """Accelerate's trackers of one run, not started, and what they are told of it: its spec without paths.

    The project is the grid, the run's name its id. TensorBoard writes below the store, `root`; the others where their
    own settings say. A run that is gone on with goes on there too, but for MLflow, which takes no ids of ours.
    """
    from accelerate.tracking import MLflowTracker, TensorBoardTracker, TrackioTracker, WandBTracker

    make: dict[str, Callable[[], Any]] = {
        "tensorboard": lambda: TensorBoardTracker(run_id, root / ".tensorboard" / grid),
        "wandb": lambda: WandBTracker(grid, name=run_id, id=run_id, resume="allow"),
        "trackio": lambda: TrackioTracker(grid, name=run_id, resume="allow"),
        "mlflow": lambda: MLflowTracker(grid, run_name=run_id),
    }
    config = {key: value for key, value in flat(spec).items() if key.rpartition(".")[2] not in _PATHS}
    return {name: (make[name](), config) for name in names}


class Tracked:
    """The trackers of a run under way; `failed` are those that are told nothing more, and why."""

    def __init__(self, trackers: Trackers, say: Callable[[str], None]) -> None:
        self.say, self.running, self.failed = say, dict[str, Any](), dict[str, str]()
        for name, (tracker, config) in trackers.items():
            if self._can(name, _start, tracker):
                self.running[name] = tracker
                self._can(name, tracker.store_init_configuration, config)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Tells a row of the history: each number under its path, as `val/war`, at the epoch's number."""
        values = {name: value for name, value in flat(row, "/").items() if _finite(value)}
        for name, tracker in list(self.running.items()):
            self._can(name, tracker.log, values, step=row["epoch"])

    def end(self) -> None:
        for name, tracker in list(self.running.items()):
            if self._can(name, _FINISH.get(name, tracker.finish)):
                del self.running[name]

    def _can(self, name: str, act: Callable[..., Any], *arguments: Any, **keywords: Any) -> bool:
        """Acts, with what the client prints beside what the command says. A tracker that fails is finished."""
        try:
            with redirect_stdout(sys.stderr):
                act(*arguments, **keywords)
        except Exception as error:  # whatever a service or its client makes of it, the run is worth more
            self.failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
            self.say(f"{name}: {self.failed[name]}; the run is not tracked there any more, and trains on")
            if (tracker := self.running.pop(name, None)) is not None:
                with suppress(Exception):  # left open, it would take the next run for this one
                    tracker.finish()
            return False
        return True


@contextmanager
def tracking(trackers: Trackers, say: Callable[[str], None]) -> Iterator[Tracked]:
    """The trackers that `of_run` made, started now and finished however the training ends."""
    tracked = Tracked(trackers, say)
    try:
        yield tracked
    finally:
        tracked.end()


def _start(tracker: Any) -> None:
    for left in reversed(range(TRIES)):
        try:
            tracker.start()
            return
        except Exception:
            if not left:
                raise
            time.sleep(PAUSE)


def flat(value: Mapping[str, Any], joint: str = ".") -> dict[str, Any]:
    """Nested facts as names and plain values: `train.epochs`, `5`. What is None is left out, lists become words."""
    found = {name: part for name, part in leaves(value, joint) if part is not None}
    return {name: part if isinstance(part, bool | int | float | str) else spell(part) for name, part in found.items()}


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
