"""Negatives that are none: keys of the clip's own class in the queue, or a queue of one class only."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.sentinels import Epoch, Finding, Sentinel, Step, Watching
from harness.sentinels._queues import masks_own_class, queues_of
from harness.settings import knob

SIGMAS = 5.0


class QueueFalseNegatives(Sentinel):
    """With K classes about one queue entry in K is of the clip's own class; unless masked, it pushes the clip away.

    Queues are found by their buffers `queue`, `labels` and `next`, so one of a component from outside is watched too;
    it counts as masked unless its setting `mask_same_class` is off. A queue of one class leaves nothing to tell apart.
    """

    name = "queue-false-negatives"
    severity = "error"
    watches = "the labels of the keys in a queue, beside those of the clips that are ranked against it"
    reason = (
        "n keys as near as the positive undo n / (n + 1) of its pull: half with one (a warning), nine tenths with nine "
        "(an error). One class may fill as much of the queue as it has of the training clips, and five standard "
        "deviations more; it is an error when it is also more than half of the way to all of it"
    )

    memory = ("_labels", "_mixture")

    @dataclass(frozen=True)
    class Settings(Watching):
        few: float = knob(1.0, "own-class keys a clip from which unmasked ones are a warning", low=0)
        many: float = knob(9.0, "own-class keys a clip from which they are an error", low=0)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._labels: dict[str, Tensor] = {}  # component -> those of the keys in its queue
        self._mixture: Tensor | None = None

    def on_step(self, step: Step) -> None:
        self._labels = {queue.component: queue.labels.clone() for queue in queues_of(step)}
        if step.trace.batch is not None:
            self._mixture = step.trace.batch.target.detach().mean(dim=0)

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        masked = {part.name: masks_own_class(part) for part in epoch.learner.parts}
        for component, labels in self._labels.items():
            filled = labels[labels >= 0]
            counts = torch.bincount(filled, minlength=len(epoch.picked)).double()
            if self._mixture is None or not len(filled):
                continue
            yield from self._one_class(component, counts, epoch)
            own = float((counts * self._mixture.to(counts)).sum())
            if not masked[component] and own >= min(self.settings.few, self.settings.many):
                yield self._unmasked(component, own, len(filled))

    def _unmasked(self, component: str, own: float, filled: int) -> Finding:
        many = own >= self.settings.many
        return Finding(
            f"{own:.1f} of the {filled} keys that a clip is ranked against are of its own class and count as "
            f"negatives: they undo {own / (own + 1):.0%} of what draws the clip to its class",
            f"leave the clip's own class out ({component}.mask_same_class=true)",
            {"component": component, "own_class": round(own, 2), "filled": filled},
            about=f"{component}, {'many' if many else 'few'}",
            severity="error" if many else "warning",
        )

    def _one_class(self, component: str, counts: Tensor, epoch: Epoch) -> Iterator[Finding]:
        filled, top = float(counts.sum()), int(counts.argmax())
        share, due = float(counts[top]) / filled, float(epoch.picked[top]) / max(float(epoch.picked.sum()), 1.0)
        luck = SIGMAS * math.sqrt(due * (1 - due) / filled)
        if due < 1 and share > max(due + luck, (1 + due) / 2):
            yield Finding(
                f"class {top} fills {share:.0%} of the queue of {component}, and is {due:.0%} of the training clips: "
                "there is next to nothing to tell apart from",
                "queue every clip's key with its own label, in the random order of training",
                {"component": component, "class": top, "share": round(share, 4), "due": round(due, 4)},
                about=f"{component}, one class",
            )
