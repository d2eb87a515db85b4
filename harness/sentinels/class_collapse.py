"""Every clip is given the same class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.sentinels import Epoch, Finding, Reading, Sentinel, Watching
from harness.sentinels._shares import CHANCE
from harness.settings import knob


class ClassCollapse(Sentinel):
    """A network that answers the same whatever it sees scores the share of that class, which can look like a result."""

    name = "class-collapse"
    severity = "warning"
    memory = ("row",)
    watches = "which classes are predicted on the split that is scored each epoch"
    reason = (
        "one epoch with one class is no defect: on skewed classes healthy runs start with it, or pass through it. Two "
        "in a row did not occur on the miniatures but where the network had collapsed and its accuracy was a constant. "
        "The labels must say otherwise beyond chance: N clips of that class's share by luck less than once in 1000"
    )

    @dataclass(frozen=True)
    class Settings(Watching):
        epochs: int = knob(2, "epochs in a row with one class before it is told", low=1, unit="epochs")

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.row = 0  # epochs in a row in which one class was predicted

    def on_reading(self, reading: Reading) -> Iterator[Finding]:
        self.classes = reading.classes
        yield from ()

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        predicted, n = np.unique(epoch.probabilities.argmax(1)), len(epoch.labels)
        share = float((epoch.labels == predicted[0]).mean())
        self.row = self.row + 1 if len(predicted) == 1 and share**n < CHANCE else 0
        if self.row == self.settings.epochs:
            name = self.classes[predicted[0]]
            message = (
                f"for {self.row} epochs all {n} clips were given one class, now {name}, as {share:.0%} of them are: "
            )
            message += "the network does not look at its input"
            mend = "change the learning rate, look at the target, and at features that are alike for all clips"
            yield Finding(message, mend, {"class": name, "clips": n, "share": round(share, 4), "epochs": self.row})
