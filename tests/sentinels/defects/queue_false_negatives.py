"""Queues that hold what they should not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from harness.methods.moco import MocoRank
from sentinels.defects import Defect


def _one_label(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """Every key gets the label of the first clip of the first batch."""
    push = MocoRank._push
    patch.setattr(MocoRank, "_push", lambda self, keys, labels: push(self, keys, torch.zeros_like(labels)))
    return ()


DEFECTS = [
    Defect("queue-false-negatives", "own-class keys as negatives", "prompt+moco(mask_same_class=false)"),
    Defect("queue-false-negatives", "a queue of one class", "prompt+moco", breaks=_one_label),
]
