"""Queues that do not take every key once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.methods.moco import MocoRank
from harness.training import loop
from sentinels.defects import Defect


def _cut_at_the_end(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """At the end of the ring a batch is cut to what fits, and the next one begins at the start."""
    push = MocoRank._push

    def cut(self, keys, labels):
        room = len(self.queue) - int(self.next)
        push(self, keys[:room], labels[:room])

    patch.setattr(MocoRank, "_push", cut)
    return ()


def _never_pushed(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    patch.setattr(MocoRank, "_push", lambda self, keys, labels: None)
    return ()


def _pushed_in_evaluation(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The evaluated clips, labels and all, go into the queue as well."""
    predict = loop.predict

    def pushing(learner, split, accelerator):
        found = predict(learner, split, accelerator)
        learner.components["moco"]._push(learner.model.text().detach()[split.labels], split.labels)
        return found

    patch.setattr(loop, "predict", pushing)
    return ()


DEFECTS = [
    Defect("queue-stale", "a wrap-around that drops keys", "prompt+moco(queue=100)", breaks=_cut_at_the_end),
    Defect("queue-stale", "keys that are never pushed", "prompt+moco", breaks=_never_pushed),
    Defect("queue-stale", "keys pushed in evaluation", "prompt+moco", breaks=_pushed_in_evaluation),
    Defect("queue-stale", "a momentum copy that stands still", "prompt+moco(momentum=1.0)"),
]
