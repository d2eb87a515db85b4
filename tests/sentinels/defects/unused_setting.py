"""Settings that are parsed and never passed on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from torch.nn import functional as F

from harness.methods.moco import MocoRank
from harness.model.network import Output, VideoModel
from harness.model.text import class_features
from harness.training import optimisation
from sentinels.defects import Defect
from sentinels.defects.schedule_stuck import own_groups_dropped


def _momentum_hard_coded(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    def follow(self, slow, fast):
        for old, new in zip(slow.parameters(), fast.parameters(), strict=True):
            old.lerp_(new.detach(), 1 - 0.999)

    patch.setattr(MocoRank, "_follow", follow)
    return ()


def _momentum_left_out(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """An optimiser that is built with a momentum of its own."""
    import torch

    def optimizer(learner, settings, fused):
        return torch.optim.AdamW(learner.groups(settings), lr=settings.lr)

    patch.setattr(optimisation, "built", optimizer)
    return ()


def _temperature_fixed(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """A network that divides its cosines by 0.01, whatever it is told."""

    def forward(self, batch):
        video, raw = F.normalize(self.head(batch.face, batch.context).float(), dim=-1), self.text()
        text = class_features(raw)
        return Output(video @ text.T / 0.01, video, text, raw)

    patch.setattr(VideoModel, "forward", forward)
    return ()


SETS = ("train.momentum=0.8",)

DEFECTS = [
    Defect("unused-setting", "mixup's α parsed and never passed on", method="prompt+mixup(alpha=0.4,connected=false)"),
    Defect("unused-setting", "a momentum that is hard-coded", "prompt+moco(momentum=0.9)", breaks=_momentum_hard_coded),
    Defect("unused-setting", "the momentum of training left out", sets=SETS, breaks=_momentum_left_out),
    Defect(
        "unused-setting",
        "a temperature that the network ignores",
        sets=("model.temperature=0.05",),
        breaks=_temperature_fixed,
    ),
    Defect("unused-setting", "a rate of its own that is dropped", "prompt(lr=0.5)", breaks=own_groups_dropped),
]
