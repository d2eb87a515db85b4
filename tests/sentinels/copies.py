"""Copies of the miniatures, small enough to be spoilt and trained on within seconds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import miniature
from harness.variables import cache_folder

CLIPS = 8  # of each class and split
FOLDERS = {"caer": "CAER", "daisee": "DAiSEE", "raer": "RAER"}
QUICK = ("clips.frames=4", "clips.views=1")  # a spoilt copy is seen by the trunk anew


def small(dataset: str, folder: Path) -> Path:
    """A copy in `folder` with a few clips a class and split, to be told as `root_of` says."""
    cache = cache_folder() / "miniatures"
    cache.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copytree(miniature.ensure(cache, limit=CLIPS) / FOLDERS[dataset], folder / FOLDERS[dataset]))


def root_of(root: Path) -> tuple[str, ...]:
    """The settings that train on this copy."""
    dataset = next(name for name, folder in FOLDERS.items() if folder == root.name)
    return f"data.{dataset}.root={root}", *QUICK


def edit_list(file: Path, edit: Callable[[list[str]], list[str]]) -> None:
    file.write_text("\n".join(edit(file.read_text().splitlines())))


def edit_boxes(file: Path, edit: Callable[[str, Any], tuple[str, Any] | None]) -> None:
    """Rewrites a box file key by key; None leaves the key out."""
    found = json.loads(file.read_text())
    kept = (edit(key, value) for key, value in found.items())
    file.write_text(json.dumps(dict(pair for pair in kept if pair)))
