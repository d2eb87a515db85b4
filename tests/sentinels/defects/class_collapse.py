"""Networks that give every clip the same class."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.model.network import Batch, Output, VideoModel
from sentinels.defects import Defect


def blind(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """Features that are all alike, as of a trunk that was given black pictures."""
    sees = VideoModel.forward

    def alike(self: VideoModel, batch: Batch) -> Output:
        return sees(self, dataclasses.replace(batch, face=batch.face * 0, context=batch.context * 0))

    patch.setattr(VideoModel, "forward", alike)
    return ()


DEFECTS = [
    Defect("class-collapse", "features that are alike for every clip", breaks=blind),
    Defect("class-collapse", "a learning rate of 10", sets=("train.lr=10",)),
]
