"""The worker processes beside a launched one: started, watched and ended here, and how many of them a device is worth.

A worker is the same command again and claims runs like everybody else. One that dies frees its lease by dying, so
the others finish its run: that it died is said and counted, and nothing else is done about it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness import signals
from harness.errors import BadInput
from harness.files import read_lines
from harness.schedule import launch
from harness.store import leases

GRACE = 10.0  # seconds that workers are given to leave by themselves once no run is left
GAIN = 1.10  # what one more worker must bring to be followed by another: less is noise
ENOUGH = 4  # epochs a worker that a measurement consists of
PERIOD = 10.0  # seconds that it takes at least
AHEAD = 100  # runs are claimed in their order: beyond so many that have not begun, none has


class Crew:
    """Workers of this process, from the `with` on; `left` tells how many runs have not ended."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        say: Callable[[str], None],
        left: Callable[[], int],
    ) -> None:
        self.command, self.environment, self.say, self.left = command, environment, say, left
        self.workers: list[subprocess.Popen] = []
        self.died: list[str] = []  # how, in words
        self._leaving, self._unwanted = threading.Event(), threading.Event()

    def add(self) -> None:
        """Starts another worker."""
        number = len(self.workers) + 1
        told = {**os.environ, **self.environment, launch.WORKER: str(number), launch.LEAD: str(os.getpid())}
        process = subprocess.Popen(self.command, env=told, stdin=subprocess.DEVNULL)
        self.workers.append(process)
        threading.Thread(target=self._watch, args=(number, process), daemon=True).start()

    def join(self) -> None:
        """Waits until all workers have left by themselves."""
        while any(process.poll() is None for process in self.workers):
            time.sleep(0.1)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        """Workers leave by themselves when no run is left; on an error, and after a while, they are made to."""
        self._leaving.set()
        if kind is None:
            self._wait(GRACE)
        self._unwanted.set()
        self._wait(signals.GRACE + GRACE / 2)
        for process in self.workers:
            process.kill()

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while any(process.poll() is None for process in self.workers) and time.monotonic() < deadline:
            time.sleep(0.05)

    def _watch(self, number: int, process: subprocess.Popen) -> None:
        """Passes on that this process is to stop, once, so that all save their runs together; tells a death."""
        while process.poll() is None and not (signals.asked() or self._unwanted.is_set()):
            time.sleep(0.1)
        if signals.asked() or self._unwanted.is_set():
            process.send_signal(signal.SIGUSR2)  # which nobody else sends: it is not the second of its kind
            return
        code = process.returncode
        if self._leaving.is_set() or (code == 0 and not self.left()):
            return
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        self.died.append(f"worker {number} {how}")
        hint = " (often the answer to too little memory: try fewer --workers)" if code == -signal.SIGKILL else ""
        self.say(f"⚠ worker {number} {how}{hint}; the others finish its run")

    # ── how many ────────────────────────────────────────────────────────────────────────────────────────────

    def grow(self, most: Callable[[], int], meter: Meter, period: float = PERIOD) -> None:
        """Adds workers while each brings more training, and at most to `most` processes with this one.

        Returns when the number is found, when a worker died, or when the crew leaves.
        """
        rates: list[float] = []
        while (rate := self._measure(meter, period)) is not None:
            rates.append(rate)
            told = ", ".join(f"{rate:.1f} steps/s with {number}" for number, rate in enumerate(rates, start=1))
            if not another(rates, most()):
                self.say(f"{len(rates)} worker{'s' * (len(rates) > 1)} from now on: {told}")
                return
            self.say(f"worker {len(rates) + 1} is tried: {told}")
            self.add()

    def _measure(self, meter: Meter, period: float) -> float | None:
        """Steps a second of all together, once all train; None when there will be no answer.

        The mean speed of one times their number, so that what is between two epochs and two runs does not count.
        """
        members = {os.getpid(), *(process.pid for process in self.workers)}
        waiting, began, epochs = set(members), 0.0, list[Epoch]()
        while not self._leaving.wait(min(period / 10, 1.0)) and not self.died:
            new, now = [epoch for epoch in meter.new() if epoch.worker in members], time.monotonic()
            if waiting:
                waiting -= {epoch.worker for epoch in new}
                began = now
                continue
            epochs += [epoch for epoch in new if epoch.seconds <= now - began]
            if now - began >= period and len(epochs) >= ENOUGH * len(members):
                return len(members) * sum(e.steps for e in epochs) / sum(e.seconds for e in epochs)
        return None


def another(rates: Sequence[float], most: int) -> bool:
    """Whether one more worker is worth trying: `rates` are those of 1, 2, … workers, all together."""
    return len(rates) < most and (len(rates) == 1 or rates[-1] >= GAIN * rates[-2])


class Epoch(NamedTuple):
    worker: int  # process id
    steps: int
    seconds: float


class Meter:
    """Reads what the workers of this machine train from the histories that they write.

    `steps` are those of an epoch, by the folder of its run.
    """

    def __init__(self, steps: Mapping[Path, int]) -> None:
        self.steps = steps
        self._known: dict[Path, tuple[int, int]] = {}  # when a history was written (ns), and its rows
        self.new()  # what lies there from before is no news

    def new(self) -> list[Epoch]:
        """The epochs that ended since the last call, of runs that a process of this machine holds."""
        found, idle = list[Epoch](), 0
        for folder, steps in self.steps.items():
            path = folder / "history.jsonl"
            before, known = self._known.get(folder, (0, 0))
            written = path.stat().st_mtime_ns if path.exists() else 0
            idle += not written
            if idle > AHEAD:
                break
            if written != before:
                rows, worker = _rows(path), leases.holder(folder)
                self._known[folder] = written, len(rows)
                found += [Epoch(worker, steps, row["duration_s"]) for row in rows[known:] if worker is not None]
        return found


def _rows(history: Path) -> list[dict[str, Any]]:
    """None of one that was cut off: who trains the run further writes it again."""
    try:
        return read_lines(history)
    except BadInput:
        return []
