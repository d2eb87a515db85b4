"""The epoch that is reported was chosen on the clips that it is reported on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.sentinels import Epoch, Finding, Reading, Sentinel, Setup
from harness.settings import plain

OWN = "give a validation list of its own, or none: then a part of train is held out"


class TestSelection(Sentinel):
    """The best of twenty epochs on the test set is a maximum over noise, and flatters by a point or more."""

    __test__ = False  # pytest takes a class of such a name for tests
    name = "test-selection"
    watches = "the setting that selects the epoch, the split that is scored each epoch, val against test"
    reason = (
        "exact, but for one bound: where more than half of the smaller of val and test lies in the other too, one is "
        "the other with something added or taken away (fewer shared clips are a matter of split-leak)"
    )
    failures = (8,)

    def on_reading(self, reading: Reading) -> Iterator[Finding]:
        self.labels = reading.labels
        clips = {split: [c for c in reading.scan.clips if c.split == split] for split in ("val", "test")}
        pictures = {frozenset((one, other)) for one, a, other, b in reading.twins if {a, b} == {"val", "test"}}
        media = {clip.media for clip in clips["val"]} & {clip.media for clip in clips["test"]}
        shared, smaller = max(len(pictures), len(media)), min(map(len, clips.values()))
        if 2 * shared > smaller:
            message = f"val and test are the same clips: {shared} of {smaller}. The epoch is chosen on what is reported"
            yield Finding(message, OWN, {"shared": shared, **{split: len(of) for split, of in clips.items()}}, "clips")

    def on_setup(self, setup: Setup) -> Iterator[Finding]:
        self.oracle = plain(setup.train).selection == "oracle"
        if self.oracle:
            message = "train.selection = oracle: the epoch is chosen on test, as part of the field does. Such scores "
            message += "flatter, are marked in every table, and do not compare with honest ones"
            mend = "set train.selection = val, unless you mean to repeat a figure that was chosen so"
            yield Finding(message, mend, {"selection": "oracle"}, "setting", "warning")

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        val, test = self.labels["val"], self.labels["test"]
        if not self.oracle and not np.array_equal(epoch.labels, val) and np.array_equal(epoch.labels, test):
            message = f"the split that is scored each epoch is test ({len(test)} clips), though the setting says val"
            yield Finding(message, "look at what the loop evaluates", {"scored": len(epoch.labels)}, "scored")
