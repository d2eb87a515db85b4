"""The loss, or one of its terms, is no number any more."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.sentinels import Epoch, Finding, Sentinel


class NotFinite(Sentinel):
    """A NaN or an infinity anywhere in a step spreads to every weight: what trains on is garbage."""

    name = "not-finite"
    severity = "error"
    watches = "the loss and each of its terms, every epoch"
    reason = "no threshold: a number is finite or it is not"
    failures = (7,)

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        if not epoch.no_numbers:
            return
        yield Finding(
            f"the loss is no number any more; not finite: {epoch.no_numbers}. The run ends: its weights are garbage",
            "lower the learning rate, set train.clip_norm, and look at the inputs and settings of the term named first",
            {name: str(value) for name, value in epoch.row["losses"].items() if not math.isfinite(value)},
        )
