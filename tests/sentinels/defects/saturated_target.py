"""Soft targets that are hard labels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from harness.methods.ldl import LabelDistribution
from sentinels.defects import Defect


def _scaled_twice(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The target is made from logits, cosines / 0.01, and divided by its own temperature as well."""

    def kernel(self, targets, ctx):
        text = ctx.out.text.detach()
        logits = text @ text.T / ctx.model.settings.temperature
        return targets @ torch.softmax(logits / self.settings.temperature, dim=-1)

    patch.setattr(LabelDistribution, "kernel", kernel)
    return ()


DEFECTS = [
    Defect("saturated-target", "text features that are not normalised", "prompt+ldl(temperature=0.1,normalise=false)"),
    Defect("saturated-target", "a target made from scaled logits", "prompt+ldl", breaks=_scaled_twice),
    Defect("saturated-target", "label smoothing of 0.0001", "prompt+lsr(epsilon=0.0001)"),
]
