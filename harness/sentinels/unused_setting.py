"""A setting that was given and that nothing reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from harness.sentinels import Epoch, Finding, Sentinel, Setup
from harness.settings import plain, spell, unread

BEFORE = ("limit", "holdout", "name", "pretrained", "trunk")  # read before there is a run: by the scan, by loading


class UnusedSetting(Sentinel):
    """A mixup of 0.2 that is parsed and never passed on trains a baseline under another name."""

    name = "unused-setting"
    severity = "error"
    watches = "which of the settings that differ from their defaults were read by the end of the second epoch"
    reason = (
        "no threshold: a value is read or it is not. Two epochs, since what is read at all is read in each. A setting "
        "of the trainer or the network that acts only beside another (milestones without steps) is a warning"
    )
    failures = (3,)
    memory = ("_unread",)

    def on_setup(self, setup: Setup) -> Iterator[Finding]:
        self._shared = {"train": setup.train, "model": setup.learner.model.settings}
        self._own = {part.name: part.settings for part in setup.learner.parts}
        self._due = min(1, plain(setup.train).epochs - 1)
        yield from ()

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        if epoch.number != self._due:
            return
        for component, settings in self._own.items():
            for name in unread(settings):
                yield _finding(component, name, settings, "")
        for group, settings in self._shared.items():
            for name in unread(settings):
                if name not in BEFORE:
                    yield _finding(group, name, settings, "warning")

    @property
    def _unread(self) -> list[list[str]]:
        """What nobody has read by now. The settings themselves remember the rest, but not beyond a process."""
        return [unread(settings) for settings in self._watched]

    @_unread.setter
    def _unread(self, before: list[list[str]]) -> None:
        for settings, names in zip(self._watched, before, strict=True):
            for field in dataclasses.fields(settings):
                if field.name not in names:
                    getattr(settings, field.name)  # which is to read it, as the run did before it was cut off

    @property
    def _watched(self) -> list[Any]:
        return [*self._own.values(), *self._shared.values()]


def _finding(group: str, name: str, settings: Any, severity: str) -> Finding:
    value = spell(getattr(plain(settings), name))
    return Finding(
        f"{group}.{name} = {value} was asked for and nothing has read it: the run is the same without it",
        "pass it on to the code that should act on it, set what it acts beside, or do not set it",
        {"setting": f"{group}.{name}", "value": value},
        about=f"{group}.{name}",
        severity=severity,
    )
