"""Classes that training, or a score, goes without."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.loading import as_picks
from harness.training import loop
from sentinels.copies import edit_list, root_of, small
from sentinels.defects import Break, Defect


def without_fear(split: str) -> Break:
    def breaks(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
        root = small("caer", folder)
        edit_list(root / f"annotations/{split}.txt", lambda lines: [line for line in lines if "/Fear/" not in line])
        return root_of(root)

    return breaks


def last_batch_dropped(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """Clips in the order of their labels, whole batches only: the rest is the last class."""

    def whole_batches(labels: np.ndarray, size: int, *others: Any) -> list[Any]:
        picks = as_picks(np.argsort(labels, kind="stable"), [0] * len(labels))
        return [picks[start : start + size] for start in range(0, len(picks) - size + 1, size)]

    patch.setattr(loop, "epoch_picks", whole_batches)
    return root_of(small("caer", folder))


DEFECTS = [
    Defect("class-missing", "no Fear in the training list", breaks=without_fear("train")),
    Defect("class-missing", "no Fear in the test list", breaks=without_fear("test")),
    Defect("class-missing", "the last, uneven batch dropped", breaks=last_batch_dropped),
]
