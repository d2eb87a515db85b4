"""Clips that are not there, can't be read, or are shorter than the list says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data import cache
from harness.data.clips import Clip
from harness.data.video import Streams, Unreadable
from harness.protocol import Clips, Face
from sentinels.copies import edit_list, root_of, small
from sentinels.defects import Defect


def one_class_cut_off(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    root = small("caer", folder)
    for clip in (root / "train/Surprise").iterdir():
        if clip.stem > "0001":
            clip.write_bytes(b"")
    return root_of(root)


def half_absent(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    root = small("caer", folder)
    for clip in sorted((root / "test").glob("*/*.avi"))[::2]:
        clip.unlink()
    return root_of(root)


def grey_pictures(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    root, whole = small("caer", folder), cache.views_of
    (root / "train/Anger/0003.avi").write_bytes(b"")

    def views_of(root: Path, clip: Clip, clips: Clips, face: Face, size: int, rngs: Sequence[Any]) -> list[Streams]:
        try:
            return whole(root, clip, clips, face, size, rngs)
        except Unreadable:
            nothing = np.zeros((clips.frames, size, size, 3), np.uint8)
            return [Streams(nothing, nothing, Counter(), 0) for _ in rngs]

    patch.setattr(cache, "views_of", views_of)
    patch.setattr(cache, "sound", lambda clips, views, probes: (list(clips), []))  # which would refuse the file
    return root_of(root)


def longer_lists(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    root = small("caer", folder)
    for file in (root / "annotations").glob("*.txt"):
        edit_list(file, lambda lines: [f"{p} {int(n) + 1} {label}" for p, n, label in map(str.split, lines)])
    return root_of(root)


DEFECTS = [
    Defect(
        "unreadable-clips",
        "one class's files cut off, skipped",
        sets=("clips.unreadable=skip",),
        breaks=one_class_cut_off,
    ),
    Defect("unreadable-clips", "half of test not copied", sets=("clips.max_absent=1",), breaks=half_absent),
    Defect("unreadable-clips", "a file that can't be read becomes zeros", breaks=grey_pictures),
    Defect("unreadable-clips", "lists that count one frame more", breaks=longer_lists),
]
