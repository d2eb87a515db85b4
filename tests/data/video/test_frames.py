"""Which frames are picked, and from folders and images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendered import folder, half_and_half, number, numbered

from harness.data.clips import frame_names, natural
from harness.data.video import Unreadable, read, sample


@given(count=st.integers(1, 400), frames=st.integers(1, 64), seed=st.none() | st.integers(0, 99))
def test_a_sample_is_in_order_and_in_range_and_as_long_as_asked(count: int, frames: int, seed: int | None) -> None:
    indices = sample(count, frames, None if seed is None else np.random.default_rng(seed))
    assert indices.shape == (frames,)
    assert indices.min() >= 0
    assert indices.max() < count
    assert (np.diff(indices) >= 0).all()
    if count >= frames:
        assert len(set(indices.tolist())) == frames
    else:
        assert set(indices.tolist()) == set(range(count)), "every frame of a short clip is seen"
        repeats = np.bincount(indices)
        assert repeats.max() - repeats.min() <= 1, "and none is dwelt upon"


@given(count=st.integers(1, 400), frames=st.integers(1, 64), seed=st.integers(0, 99))
def test_a_random_sample_takes_one_frame_from_each_segment(count: int, frames: int, seed: int) -> None:
    if count >= frames:
        indices = sample(count, frames, np.random.default_rng(seed))
        segment = np.arange(frames + 1) * count // frames
        assert (segment[:-1] <= indices).all()
        assert (indices < segment[1:]).all()


def test_evaluation_frames_are_those_of_the_published_protocol() -> None:
    tick = 300 / 16
    assert sample(300, 16, None).tolist() == [int(tick / 2 + tick * x) for x in range(16)]


def test_frame_folders_are_read_in_natural_order_and_hidden_files_are_no_frames(tmp_path: Path) -> None:
    path = folder(tmp_path / "clip", numbered(12))
    (path / "._1.png").write_bytes(b"resource fork")
    (path / "Thumbs.db").write_bytes(b"")
    found = read(path, np.arange)
    pictures, names = found.pictures, found.names
    assert [number(picture) for picture in pictures] == list(range(12))
    assert names[9] == "10.png"


def test_an_image_is_a_clip_of_one_frame(tmp_path: Path) -> None:
    path = folder(tmp_path / "faces", [half_and_half()]) / "1.png"
    pictures = read(path, lambda count: sample(count, 3, None)).pictures
    assert read(path, lambda count: np.array([0])).count == 1
    assert len(pictures) == 3
    assert pictures[0][0, 0].tolist() == [255, 0, 0], "red is red: pictures are RGB"


def test_a_folder_without_images_or_with_far_too_many_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(Unreadable, match=r"empty: the folder holds no images"):
        read(tmp_path / "empty", np.arange)
    full = folder(tmp_path / "full", numbered(4))
    monkeypatch.setattr("harness.data.video.frames.MOST_FRAMES", 3)
    with pytest.raises(Unreadable, match=r"full: the folder holds over 3 images"):
        read(full, np.arange)


def test_only_the_picked_images_of_a_folder_are_read(tmp_path: Path) -> None:
    path = folder(tmp_path / "clip", numbered(9))
    (path / "5.png").write_bytes(b"")
    assert [number(p) for p in read(path, lambda count: np.array([3, 5])).pictures] == [3, 5]
    with pytest.raises(Unreadable, match=r"5\.png: is empty"):
        read(path, np.arange)


def test_names_of_the_same_number_have_an_order_of_their_own(tmp_path: Path) -> None:
    for name in ("f2.png", "f01.png", "f1.png", "f001.png"):
        (tmp_path / name).touch()
    with_ties = ["f001.png", "f01.png", "f1.png", "f2.png"]
    for order in (with_ties, with_ties[::-1]):
        assert sorted(order, key=natural) == with_ties
    assert frame_names(tmp_path) == with_ties
    assert natural("9" * 5_000) < natural("1" + "0" * 5_000)
