"""Settings that are parsed and never passed on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from harness import training
from harness.methods.moco import MocoRank
from sentinels.defects import Defect


def _momentum_hard_coded(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    def follow(self, slow, fast):
        for old, new in zip(slow.parameters(), fast.parameters(), strict=True):
            old.lerp_(new.detach(), 1 - 0.999)

    patch.setattr(MocoRank, "_follow", follow)
    return ()


def _momentum_left_out(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """An optimiser that is built with a momentum of its own."""
    import torch

    def optimizer(learner, settings):
        return torch.optim.AdamW(learner.groups(settings), lr=settings.lr)

    patch.setattr(training, "_optimizer", optimizer)
    return ()


SETS = ("train.momentum=0.8",)

DEFECTS = [
    Defect("unused-setting", "mixup's α parsed and never passed on", method="prompt+mixup(alpha=0.4,connected=false)"),
    Defect("unused-setting", "a momentum that is hard-coded", "prompt+moco(momentum=0.9)", breaks=_momentum_hard_coded),
    Defect("unused-setting", "the momentum of training left out", sets=SETS, breaks=_momentum_left_out),
]
