"""Targets that move."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.methods.ldl import LabelDistribution
from sentinels.defects import Defect


def _order_drawn_anew(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The prompts are listed again each epoch, in another order of the classes than before."""
    kernel = LabelDistribution.kernel
    patch.setattr(LabelDistribution, "kernel", lambda self, targets, ctx: kernel(self, targets, ctx).roll(ctx.epoch, 0))
    return ()


DEFECTS = [
    Defect("moving-target", "a target that hangs on the graph", "prompt+ldl(detach=false)"),
    Defect("moving-target", "the same behind a warm-up", "prompt+ldl(detach=false)+warmup"),
    Defect("moving-target", "a class order that is drawn anew each epoch", "prompt+ldl", breaks=_order_drawn_anew),
]
