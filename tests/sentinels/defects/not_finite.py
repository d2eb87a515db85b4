"""Losses that are no numbers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.data.loading import Split
from harness.methods.dc import Decorrelation
from sentinels.defects import Defect


def _one_broken_clip(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """One clip's cached features hold a NaN."""
    build = Split.__init__

    def init(self, index, stored, device, clips):
        build(self, index, stored, device, clips)
        self.face = self.face.clone()
        self.face[:, 0, 0, 0] = float("nan")

    patch.setattr(Split, "__init__", init)
    return ()


def _logarithm_of_zero(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """A term takes the logarithm of a similarity that may be 0, where it should guard against it."""

    def loss(self, out, batch, ctx):
        return {"dc": (self.settings.at(ctx.epoch), (out.text[0] * 0).sum().log())}

    patch.setattr(Decorrelation, "loss", loss)
    return ()


DEFECTS = [
    Defect("not-finite", "a learning rate of 1e30", sets=("train.lr=1e30", "train.clip_norm=0")),
    Defect("not-finite", "a NaN in the features of one clip", breaks=_one_broken_clip),
    Defect("not-finite", "the logarithm of 0 in a term", method="prompt+dc", breaks=_logarithm_of_zero),
    Defect("not-finite", "a target neither normalised nor detached", "prompt+ldl(normalise=false,detach=false)"),
]
