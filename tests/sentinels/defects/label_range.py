"""Labels and class sentences that mean another class."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import datasets as hf
import pytest

from harness.data.clips import as_dataset
from harness.datasets import Adapter
from harness.model.network import VideoModel
from harness.training import material, runner
from sentinels.copies import edit_list, root_of, small
from sentinels.defects import Defect


def shifted_lists(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    root = small("caer", folder)
    for file in (root / "annotations").glob("*.txt"):
        edit_list(file, lambda lines: [f"{p} {n} {(int(label) + 1) % 7}" for p, n, label in map(str.split, lines)])
    return root_of(root)


def from_one_read_as_from_zero(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """Without the class that would overflow, nothing but the empty first class tells."""
    root = small("raer", folder)
    for file in (root / "annotations").glob("*.txt"):
        edit_list(file, lambda lines: [line for line in lines if line.split()[2] != "5"])
    return *root_of(root), "data.raer.first_label=0"


def below_zero(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    def shifted(scan: Any, classes: Any) -> hf.Dataset:
        index = as_dataset(scan, classes)
        return index.map(lambda row: {"label": row["label"] - 1}, features=index.features)

    patch.setattr(material, "as_dataset", shifted)
    return ()


def sorted_sentences(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    ours = Adapter.descriptions
    patch.setattr(Adapter, "descriptions", lambda self: tuple(sorted(ours(self))))
    return ()


def reversed_prompts(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    def reversing(clip: Any, settings: Any, descriptions: tuple[str, ...], *, pixels: bool) -> VideoModel:
        return VideoModel(clip, settings, descriptions[::-1], pixels=pixels)

    patch.setattr(runner, "VideoModel", reversing)
    return ()


DEFECTS = [
    Defect("label-range", "lists shifted by one", breaks=shifted_lists),
    Defect("label-range", "labels from 1 read as from 0", dataset="raer", breaks=from_one_read_as_from_zero),
    Defect("label-range", "labels shifted to −1 behind the lists", breaks=below_zero),
    Defect("label-range", "class sentences in alphabetical order", breaks=sorted_sentences),
    Defect("label-range", "prompts in another order than the labels", breaks=reversed_prompts),
]
