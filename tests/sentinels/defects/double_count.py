"""Clips counted twice, or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from harness.training import loop
from harness.training.tally import Tally
from sentinels.defects import Defect


def _last_batch_dropped(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    whole = loop.epoch_picks

    def picks(labels, batch_size, *others):
        return [step for step in whole(labels, batch_size, *others) if len(step) == batch_size]

    patch.setattr(loop, "epoch_picks", picks)
    return ()


def _padding_kept(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The last batch of the test is padded with its first clips, and the padding is counted."""
    predict = loop.predict

    def padded(learner, split, accelerator):
        found = predict(learner, split, accelerator)
        padding = -len(found) % loop.EVALUATION_BATCH["features"]
        return np.concatenate([found, found[:padding]]) if split.index["split"][0] == "test" else found

    patch.setattr(loop, "predict", padded)
    return ()


def _counted_twice(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """A step's clips are added to the confusion once more when it is complete."""
    step = loop._Loop.step

    def counted(self, micros, batches, tally):
        before = tally.confusion.clone()
        step(self, micros, batches, tally)
        tally.confusion += tally.confusion - before

    patch.setattr(loop._Loop, "step", counted)
    return ()


def _mean_of_batches(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """A running average of batch accuracies is reported as WAR."""
    add, row = Tally.add, Tally.row

    def adding(self, loss, batch, weight):
        add(self, loss, batch, weight)
        right = float((loss.logits.argmax(-1) == batch.label).float().mean())
        self.batches = [*getattr(self, "batches", []), right]

    def averaged(self, accelerator):
        found = row(self, accelerator)
        return found | {"train": found["train"] | {"war": float(np.mean(self.batches))}}

    patch.setattr(Tally, "add", adding)
    patch.setattr(Tally, "row", averaged)
    return ()


DEFECTS = [
    Defect("double-count", "the last batch dropped", breaks=_last_batch_dropped),
    Defect("double-count", "padding of the last batch counted", breaks=_padding_kept),
    Defect("double-count", "every clip counted twice", breaks=_counted_twice),
    Defect("double-count", "a mean of batch accuracies as WAR", breaks=_mean_of_batches),
]
