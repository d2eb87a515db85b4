"""Targets that teach nothing, or another class."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.methods.ldl import LabelDistribution
from sentinels.defects import Defect


def _rows_in_another_order(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The prompts' classes are listed in another order than the labels, so row y belongs to the class before it."""
    kernel = LabelDistribution.kernel
    patch.setattr(LabelDistribution, "kernel", lambda self, targets, ctx: kernel(self, targets, ctx).roll(1, 0))
    return ()


DEFECTS = [
    Defect("flat-target", "a target temperature of 1: the post-mortem", "prompt+ldl(temperature=1.0)"),
    Defect("flat-target", "a target temperature of 0.1", "prompt+ldl(temperature=0.1)"),
    Defect("flat-target", "label smoothing of 0.99", "prompt+lsr(epsilon=0.99)"),
    Defect("flat-target", "a flat target behind a warm-up of hard labels", "prompt+ldl(temperature=1.0)+warmup"),
    Defect("flat-target", "targets in another class order", "prompt+ldl", breaks=_rows_in_another_order),
]
