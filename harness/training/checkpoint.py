"""Checkpoints of an unfinished run: all that training it further needs, to the last bit.

    checkpoint/<epoch>-<step>/<rank>-of-<processes>     a SHA-256, then what `torch.save` makes of the state

A state consists of tensors and plain values only and is read with `weights_only=True`. The last two checkpoints are
kept: one that is damaged is told and the one before it is taken. Processes that train a run together save at the same
step and go on from the same one; they agree beside the device (gloo), so that no step waits for it.
"""

from __future__ import annotations

import functools
import hashlib
import io
import pickle
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from accelerate import Accelerator

from harness import files, signals

KEPT = 2
GO_ON, SAVE, STOP = range(3)  # what a process wants behind a step; of several the most that one wants is done
SHARE = 0.05  # of the time may go into saving: where a checkpoint takes long to write, fewer are written

State = dict[str, Any]
Say = Callable[[str], None]


class Keeper:
    """Saves and finds the checkpoints of one run, in `folder`, at most one in `every` seconds (0: after each step).

    `setting` is what must be the same for a run to go on exactly (processes, precision, …); `say` takes what a person
    should know; `held` raises where the run is another's by now, who keeps checkpoints of its own.
    """

    def __init__(
        self,
        folder: Path,
        accelerator: Accelerator,
        every: float,
        setting: dict[str, Any],
        say: Say,
        held: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder, self.every, self.setting, self.say, self.held = folder, every, setting, say, held
        self.rank, self.world = accelerator.process_index, accelerator.num_processes
        self.group = _beside_the_device() if self.world > 1 else None
        self.saved, self.wait = time.monotonic(), every
        self.began = time.monotonic()
        self.resumed = 0  # times that the run went on from a checkpoint
        self.unsaved = 0  # checkpoints that could not be written

    @property
    def seconds(self) -> float:
        """How long the run has trained, also before it was cut off, as far as checkpoints tell."""
        return time.monotonic() - self.began

    def step(self, epoch: int, step: int, state: Callable[[], State]) -> None:
        """Called after every step: saves what `state` gives when it is time to.

        Raises `KeyboardInterrupt` behind that when the process, or one that trains with it, was asked to stop.
        """
        due = self.rank == 0 and time.monotonic() - self.saved >= self.wait
        wanted = self._most(STOP if signals.asked() else SAVE if due else GO_ON)
        if wanted == GO_ON:
            return
        began = time.monotonic()
        self.held()
        fault = self._save(self.folder / f"{epoch:05d}-{step:07d}", {**self._facts(), **state()})
        self.saved = time.monotonic()
        self.wait = max(self.every, (self.saved - began) / SHARE) if self.every else 0.0
        if fault:
            self.unsaved += 1
            if wanted == STOP:
                self.say(f"checkpoint not written: {fault}; what was trained since the last one is lost")
            elif self.unsaved == 1:  # once; the result counts them
                self.say(f"checkpoint not written: {fault}; training goes on, and an interruption loses more of it")
        if wanted == STOP:
            raise KeyboardInterrupt

    def find(self) -> State | None:
        """The newest state that is whole in all processes and was saved under the same `setting`."""
        for place in self._newest():
            state, fault = self._read(place)
            if not self._most(int(state is None)):
                assert state is not None
                facts = state.pop("facts")
                self.resumed, self.unsaved = facts["resumed"] + 1, facts["unsaved"]
                self.began -= facts["seconds"]
                return state
            why = fault or "another process can't use its part"
            self.say(f"checkpoint {place.name}: {why}; trying the one before it")
        return None

    def clear(self) -> None:
        """Removes all checkpoints: the run has its result."""
        if self.rank == 0:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _facts(self) -> State:
        facts = {"seconds": self.seconds, "resumed": self.resumed, "unsaved": self.unsaved}
        return {"setting": self.setting, "facts": facts}

    def _save(self, place: Path, state: State) -> str:
        """Writes a state; older ones go when it is whole in all processes, and it goes when it is not: returns why."""
        buffer, fault = io.BytesIO(), ""
        torch.save(state, buffer)
        data = buffer.getbuffer()  # not copied: it may be large
        try:
            files.write_chunks(self._file(place), [hashlib.sha256(data).digest(), data])
        except OSError as error:
            fault = str(error)
        broken = self._most(int(bool(fault)))
        if self.rank == 0:
            for old in [place] if broken else self._outdated(place):
                shutil.rmtree(old, ignore_errors=True)
        return fault or ("another process could not write its part" if broken else "")

    def _outdated(self, newest: Path) -> list[Path]:
        """What goes once `newest` is whole: all but the last of the others, and what comes later in the run than it,
        which could not be gone on from."""
        places = sorted(self._places())
        return [p for p in places if p > newest] + [p for p in places if p <= newest][:-KEPT]

    def _read(self, place: Path) -> tuple[State | None, str]:
        try:
            held = self._file(place).read_bytes()
        except OSError as error:
            return None, f"is not whole ({error.strerror}: {self._file(place).name})"
        digest, data = held[:32], memoryview(held)[32:]
        if hashlib.sha256(data).digest() != digest:
            return None, "is damaged"
        try:
            state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            return None, f"holds what no checkpoint of ours holds ({str(error).splitlines()[0]})"
        then = state.pop("setting")
        other = [f"{key} {then.get(key)}, now {value}" for key, value in self.setting.items() if then.get(key) != value]
        return (None, f"was made with {', '.join(other)}") if other else (state, "")

    def _file(self, place: Path) -> Path:
        return place / f"{self.rank}-of-{self.world}"

    def _newest(self) -> list[Path]:
        """The checkpoints, newest first, as the first process sees them."""
        held = [sorted(self._places(), reverse=True)]
        if self.group is not None:
            torch.distributed.broadcast_object_list(held, src=0, group=self.group)
        return held[0]

    def _places(self) -> list[Path]:
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return [place for place in found if re.fullmatch("[0-9]{5,}-[0-9]{7,}", place.name)]

    def _most(self, value: int) -> int:
        """The largest value of all processes."""
        if self.group is None:
            return value
        held = torch.tensor(value)
        torch.distributed.all_reduce(held, torch.distributed.ReduceOp.MAX, group=self.group)
        return int(held)


@functools.cache
def _beside_the_device() -> Any:
    """A process group on the CPU: agreeing on it does not wait for the device."""
    return torch.distributed.new_group(backend="gloo")
