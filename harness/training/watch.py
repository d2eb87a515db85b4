"""Who watches a run: every sentinel, called at a handful of visible places of the loop, and what comes of it.

Alarms are written as they are raised, so that a run that is cut off has told what it knew. Steps are watched a
few times an epoch (`WATCHED`): a defect that is there is there at any of them, and watching costs nothing at all
others. Reading what was gathered happens once, at the end of the epoch.

A run that goes on from a checkpoint has a new watch: it is shown the reading and the setup as any other, and then
loads what the old one knew, whose alarms and memory take the place of its own.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from harness import plugins
from harness.sentinels import Ending, Epoch, Finding, Reading, Sentinel, Setup, Step

WATCHED = 3  # steps of an epoch


class Alarmed(Exception):
    """A sentinel's error ended the run, as `--on-alarm stop` asks for."""


@dataclass(frozen=True)
class Alarm:
    """A line of `alarms.jsonl`, with `evidence` as it reads there."""

    sentinel: str
    severity: str
    epoch: int | None
    step: int | None
    message: str
    evidence: Mapping[str, Any]
    mend: str


Seen = tuple[str, Alarm]  # what a finding is about, and the alarm that it makes


class Watch:
    """The sentinels of one run. `settings` are theirs by name; `tell` takes each alarm as it is raised, `keep` all
    so far.

    `gather` brings the findings of all processes that train the run together; the hooks are called by all of them.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        tell: Callable[[Alarm], None],
        *,
        keep: Callable[[list[Alarm]], None] = lambda alarms: None,
        stop: bool = False,
        gather: Callable[[list[Seen]], list[Seen]] = lambda seen: seen,
    ) -> None:
        self.sentinels = [sentinel for name in plugins.names("sentinels") if (sentinel := _build(name, settings))]
        self.tell, self.keep, self.stop, self.gather = tell, keep, stop, gather
        self.alarms: list[Alarm] = []
        self._told: set[tuple[str, str]] = set()
        self._device = torch.device("cpu")

    def due(self, step: int, steps: int) -> bool:
        """Whether a step is watched: evenly spread ones, and the last, which is the uneven one."""
        return bool(self.sentinels) and (step == steps - 1 or step % max(steps // (WATCHED - 1), 1) == 0)

    def reading(self, reading: Reading) -> None:
        self._raise((sentinel, sentinel.on_reading(reading)) for sentinel in self.sentinels)

    def setup(self, setup: Setup) -> None:
        self._device = next(setup.learner.parameters()).device
        self._raise((sentinel, sentinel.on_setup(setup)) for sentinel in self.sentinels)

    def step(self, step: Step) -> None:
        for sentinel in self.sentinels:
            sentinel.on_step(step)

    def evaluating(self) -> None:
        """An epoch's steps are over: what the network is asked from here on is its evaluation."""
        for sentinel in self.sentinels:
            sentinel.on_evaluation()

    def epoch(self, epoch: Epoch) -> None:
        found = ((sentinel, sentinel.on_epoch(epoch)) for sentinel in self.sentinels)
        self._raise(found, epoch.number, epoch.steps - 1)

    def ending(self, ending: Ending) -> None:
        self._raise(((sentinel, sentinel.on_ending(ending)) for sentinel in self.sentinels), ending.epoch)

    def state_dict(self) -> dict[str, Any]:
        """What was told, and what this process's sentinels remember between two steps or epochs, for a checkpoint.

        Plain data, copied, with tensors on the CPU, so that `torch.load(weights_only=True)` reads it. Raises `BadInput`
        where a sentinel's memory is anything else.
        """
        return {
            "alarms": [as_row(alarm) for alarm in self.alarms],
            "told": sorted(self._told),
            "sentinels": {sentinel.name: sentinel.state_dict() for sentinel in self.sentinels},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from there; call it after `reading` and `setup`. `alarms` are then those that were stored, no more.

        A sentinel that was not there then begins with nothing remembered.
        """
        self.alarms = [Alarm(**row) for row in state["alarms"]]
        self._told = set(state["told"])
        self.keep(self.alarms)
        for sentinel in self.sentinels:
            if sentinel.name in state["sentinels"]:
                sentinel.load_state_dict(state["sentinels"][sentinel.name], self._device)

    @property
    def errors(self) -> list[Alarm]:
        return [alarm for alarm in self.alarms if alarm.severity == "error"]

    def _raise(
        self,
        findings: Iterable[tuple[Sentinel, Iterator[Finding]]],
        epoch: int | None = None,
        step: int | None = None,
    ) -> None:
        """Tells what is new, whichever process saw it. Ends the run, in all of them, where an error is to end it."""
        alarms = [_alarm(sentinel, finding, epoch, step) for sentinel, found in findings for finding in found]
        for about, alarm in self.gather(alarms):
            if (alarm.sentinel, about) not in self._told:
                self._told.add((alarm.sentinel, about))
                self.alarms.append(alarm)
                self.keep(self.alarms)
                self.tell(alarm)
        if self.stop and self.errors:
            first = self.errors[0]
            raise Alarmed(f"{first.sentinel}: {first.message}; {first.mend}")


def _alarm(sentinel: Sentinel, finding: Finding, epoch: int | None, step: int | None) -> Seen:
    severity = sentinel.settings.severity or finding.severity or sentinel.severity
    evidence = json.loads(json.dumps(dict(finding.evidence)), parse_constant=str)  # JSON knows no NaN
    return finding.about, Alarm(sentinel.name, severity, epoch, step, finding.message, evidence, finding.mend)


def as_row(alarm: Alarm) -> dict[str, Any]:
    return dataclasses.asdict(alarm)


def _build(name: str, settings: Mapping[str, Any]) -> Sentinel | None:
    cls = plugins.get("sentinels", name)
    chosen = settings.get(name) or cls.Settings()
    return None if chosen.severity == "off" else cls(chosen)
