"""Learning rates off their schedule."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.learner import Learner
from harness.training import loop
from sentinels.defects import Defect


def _by_batch(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    step = loop._Loop.step

    def stepped(self, micros, batches, tally):
        step(self, micros, batches, tally)
        self.schedule.step()

    patch.setattr(loop._Loop, "step", stepped)
    return ()


def _never(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    build = loop._Loop.__init__

    def init(self, *arguments):
        build(self, *arguments)
        patch.setattr(self.schedule, "step", lambda: None)

    patch.setattr(loop._Loop, "__init__", init)
    return ()


def _one_rate(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """All groups get the head's rate."""
    whole = Learner.groups
    patch.setattr(Learner, "groups", lambda self, train: [{**g, "lr": train.lr} for g in whole(self, train)])
    return ()


def own_groups_dropped(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """A loop that knows of the head only: what components declare trains at the head's rate."""

    def groups(self, train):
        members = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return [{"name": "head", "lr": train.lr, "params": members, "weight_decay": 0.0}]

    patch.setattr(Learner, "groups", groups)
    return ()


STEPS = ("train.schedule=steps", "train.milestones=1|2")

DEFECTS = [
    Defect("schedule-stuck", "a cosine stepped by the batch", breaks=_by_batch),
    Defect("schedule-stuck", "milestones counted in batches", sets=STEPS, breaks=_by_batch),
    Defect("schedule-stuck", "a cosine that is never stepped", breaks=_never),
    Defect("schedule-stuck", "one rate for all groups", method="prompt(lr=0.0002)", breaks=_one_rate),
    Defect("schedule-stuck", "components' groups left out", method="prompt(lr=0.5)", breaks=own_groups_dropped),
]
