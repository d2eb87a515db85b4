"""Classes without clips: in training never learnt, in evaluation never scored."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.sentinels import Epoch, Finding, Reading, Sentinel
from harness.sentinels._shares import CHANCE


class ClassMissing(Sentinel):
    """A class that nothing is trained on, or scored on, leaves no hole in the averages."""

    name = "class-missing"
    watches = "clips of each class in every split, and those that an epoch really trained on"
    reason = (
        "exact: a class has clips or none, and an epoch that draws every clip once must see each class that has clips. "
        "Where a sampler draws, missing one must be no accident: a class comes at least as often as the rarer of 1/K "
        "and the class's own share p, so M draws leave it out with probability (1 − min(1/K, p))^M at most, and that "
        "has to be under one in 1000"
    )
    failures = (9, 15)

    def on_reading(self, reading: Reading) -> Iterator[Finding]:
        self.classes = reading.classes
        self.counts = np.bincount(reading.labels["train"].clip(0), minlength=len(reading.classes))
        for split, labels in reading.labels.items():
            names = [name for label, name in enumerate(reading.classes) if not (labels == label).any()]
            if not names:
                continue
            evidence = {"split": split, "classes": names, "clips": len(labels)}
            if split == "train":
                message = f"no training clip of {', '.join(names)}: what is never shown is never learnt"
                yield Finding(message, "complete the training list, or use a set without this class", evidence, split)
                continue
            message = f"no clip of {', '.join(names)} in {split}. Their recall counts as 0 in UAR, so UAR can't pass "
            message += f"{1 - len(names) / len(reading.classes):.0%}; leaving them out would give another metric"
            mend = f"complete the list of {split}, or report WAR"
            yield Finding(message, mend, evidence, split, "warning")

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        seen = epoch.confusion.sum(1)
        unseen = [label for label, count in enumerate(self.counts) if count and not seen[label]]
        if (epoch.picked != self.counts[: len(epoch.picked)]).any():  # a sampler draws
            unseen = [label for label in unseen if self._no_accident(label, int(epoch.picked.sum()))]
        if unseen:
            names = [self.classes[label] for label in unseen]
            clips = int(self.counts[unseen].sum())
            message = f"an epoch has trained on no clip of {', '.join(names)}, of which there are {clips}"
            mend = "look at the sampler, and at whatever drops the last, uneven batch"
            yield Finding(message, mend, {"classes": names, "clips": clips, "trained": int(seen.sum())}, "epoch")

    def _no_accident(self, label: int, draws: int) -> bool:
        share = min(1 / len(self.classes), self.counts[label] / self.counts.sum())
        return bool((1 - share) ** draws <= CHANCE)
