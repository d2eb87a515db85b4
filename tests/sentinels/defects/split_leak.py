"""Pictures and persons that two splits share."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from sentinels.copies import edit_list, root_of, small
from sentinels.defects import Defect


def oversampled_before_the_split(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """Disgust is doubled, and of the doubles some fall into test."""
    root = small("caer", folder)
    doubled = []
    for clip in sorted((root / "train/Disgust").iterdir())[:3]:
        shutil.copy(clip, root / f"test/Disgust/9{clip.name}")
        doubled.append(f"test/Disgust/9{clip.name} 0 1")
    edit_list(root / "annotations/test.txt", lambda lines: [*lines, *doubled])
    return root_of(root)


DEFECTS = [
    Defect(
        "split-leak",
        "over-sampled before the split",
        sets=("face.max_missing=0.1",),
        breaks=oversampled_before_the_split,
    ),
    Defect("split-leak", "the same persons in every split", sets=("data.caer.subject=/([0-9]+)[.]avi",)),
]
