"""Queues of keys that a component holds, for the sentinels that watch them.

They are found by their buffers, `queue [Q, D]`, `labels [Q]` (−1: not filled yet) and `next` (the place that is
written next), so that a component from outside is watched as `moco` is.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from harness.methods import Component
from harness.sentinels import Step
from harness.settings import plain


@dataclass(frozen=True)
class Queue:
    """A queue as a step finds it. The next step writes into it: copy what is kept."""

    component: str
    labels: Tensor
    next: Tensor


def queues_of(step: Step) -> list[Queue]:
    found = [(part.name, dict(part.named_buffers(recurse=False))) for part in step.learner.parts]
    return [Queue(name, own["labels"], own["next"]) for name, own in found if {"queue", "labels", "next"} <= own.keys()]


def masks_own_class(component: Component) -> bool:
    """Whether entries of the clip's own class are left out; true without such a setting: labels are kept for that."""
    if not hasattr(type(component).Settings, "mask_same_class"):
        return True
    return bool(plain(component.settings).mask_same_class)
