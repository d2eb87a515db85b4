"""Pictures of test clips in the store, of miniatures only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2

from harness import grid, plan
from harness.schedule import thumbnails
from harness.store import Store


def miniature_copy() -> plan.Copy:
    made = grid.build("mine", {"datasets": ["raer"], "methods": ["prompt"]}, tiny=True)
    return next(iter(plan.plan(made).copies.values()))


def test_each_test_clip_of_a_miniature_has_a_small_picture(tmp_path: Path) -> None:
    copy = miniature_copy()
    thumbnails.keep(store := Store(tmp_path), copy)
    kept = set(tmp_path.rglob("*.jpg"))
    assert kept == {store.thumbnail("raer", clip.id) for clip in copy.scan.clips if clip.split == "test"}
    pictures = [cv2.imread(str(path)) for path in kept]
    assert {picture.shape[0] for picture in pictures} == {thumbnails.HEIGHT}
    assert all(picture.std() > 10 for picture in pictures)  # something is on it
    assert all(path.stat().st_size < 10_000 for path in kept)


def test_what_is_there_is_left(tmp_path: Path) -> None:
    copy = miniature_copy()
    thumbnails.keep(Store(tmp_path), copy)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jpg")}
    thumbnails.keep(Store(tmp_path), copy)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jpg")} == before


def test_nothing_of_a_data_set_that_is_no_miniature_is_kept(tmp_path: Path) -> None:
    thumbnails.keep(Store(tmp_path), replace(miniature_copy(), miniature=False))
    assert not list(tmp_path.iterdir())
