"""A probe tells what a medium holds, sameness is sameness of pixels, and only what changed is probed again."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendered import encode, folder, half_and_half, numbered, remux

from harness.data import probe as room
from harness.data.clips import Clip
from harness.data.probe import Probe, probe, probes


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def scene(seed: int = 0, height: int = 96, width: int = 128) -> np.ndarray:
    """A smooth picture with light and dark places."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def bits_apart(one: Probe, other: Probe) -> int:
    return (int(one.looks, 16) ^ int(other.looks, 16)).bit_count()


def quiet(done: int, total: int) -> None:
    pass


def test_a_video_a_folder_and_an_image_are_told_as_they_are(tmp_path: Path) -> None:
    video = probe(encode(tmp_path / "a.avi", numbered(25)))
    assert (video.frames, video.width, video.height, video.error) == (25, 64, 48, "")
    assert video.seconds == pytest.approx(2.5)
    frames = probe(folder(tmp_path / "frames", numbered(7, 20, 30)))
    assert (frames.frames, frames.width, frames.height, frames.seconds) == (7, 30, 20, 0)
    image = probe(tmp_path / "frames" / "1.png")
    assert (image.frames, image.width, image.height, image.error) == (1, 30, 20, "")
    assert len(video.content) == 32
    assert len(video.looks) == 16


def test_a_turned_video_has_the_size_it_is_shown_at(tmp_path: Path) -> None:
    found = probe(encode(tmp_path / "a.mp4", numbered(3), "libx264", rotation=90))
    assert (found.width, found.height) == (48, 64)


def test_only_frames_that_decode_are_counted(tmp_path: Path) -> None:
    whole = encode(tmp_path / "whole.mp4", numbered(20), "libx264", g="10", bf="0")
    assert probe(remux(whole, tmp_path / "cut.mp4", start=5)).frames == 10


def test_a_remuxed_video_is_the_same_and_any_other_frame_is_not(tmp_path: Path) -> None:
    pictures = numbered(25)
    one = probe(encode(tmp_path / "a.mp4", pictures, "libx264", bf="2"))
    packed = probe(remux(tmp_path / "a.mp4", tmp_path / "b.mkv"))
    assert (packed.content, packed.looks, packed.frames) == (one.content, one.looks, 25)
    for at in (0, 12, 24):
        changed = [*pictures[:at], numbered(1, first=99)[0], *pictures[at + 1 :]]
        assert probe(encode(tmp_path / "c.mp4", changed, "libx264", bf="2")).content != one.content


def test_one_changed_pixel_of_an_image_is_another_content(tmp_path: Path) -> None:
    picture = scene()
    other = picture.copy()
    other[40, 50, 1] ^= 1
    found = folder(tmp_path / "a", [picture, other, picture])
    first, second, third = (probe(found / f"{i}.png").content for i in (1, 2, 3))
    assert first == third != second


def test_the_same_pixels_in_another_shape_are_another_content(tmp_path: Path) -> None:
    found = folder(tmp_path / "a", [np.full((10, 20, 3), 9, np.uint8), np.full((20, 10, 3), 9, np.uint8)])
    assert probe(found / "1.png").content != probe(found / "2.png").content


def test_looks_survive_encoding_and_scaling_but_not_another_crop(tmp_path: Path) -> None:
    for seed in range(5):
        picture = scene(seed)
        original = probe(folder(tmp_path / f"{seed}", [picture]))
        half = probe(folder(tmp_path / f"{seed}half", [cv2.resize(picture, (64, 48), interpolation=cv2.INTER_AREA)]))
        again = probe(encode(tmp_path / f"{seed}.avi", [picture] * 3))
        crop = probe(folder(tmp_path / f"{seed}crop", [picture[10:70, 40:110]]))
        assert len({original.content, half.content, again.content, crop.content}) == 4
        assert bits_apart(original, half) <= 3
        assert bits_apart(original, again) <= 6
        assert bits_apart(original, crop) > 12


@given(box=st.tuples(*[st.floats(-50, 120)] * 4), other=st.booleans())
def test_a_box_is_outside_when_no_part_of_it_is_in_the_picture(tmp_path_factory, box, other) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.getbasetemp() / "boxes.png"
    if not path.exists():
        cv2.imwrite(str(path), half_and_half(40, 60))
    x1, y1, x2, y2 = box
    inside = x1 < x2 and y1 < y2 and x1 < 60 and y1 < 40 and x2 > 0 and y2 > 0
    boxes = {"boxes.png": box} | ({"other.png": (1.0, 1.0, 5.0, 5.0)} if other else {})
    clip = Clip("a", path.name, 0, "train", face=boxes)
    assert probes(path.parent, [clip], quiet)["a"].outside == (not inside)


@pytest.mark.parametrize("how", ["missing", "empty", "text", "no frames", "damaged"])
def test_what_is_broken_is_told_and_not_raised(tmp_path: Path, how: str) -> None:
    path = tmp_path / ("clip" if how == "no frames" else "clip.avi")
    if how == "no frames":
        path.mkdir()
    elif how == "damaged":
        encode(path, numbered(20), "mjpeg")
        path.write_bytes(path.read_bytes()[:-9000])
    elif how != "missing":
        path.write_text("text " * 200 if how == "text" else "")
    clip = Clip("a", path.name, 0, "train", face={"": (900.0, 900.0, 901.0, 901.0)})
    found = probes(tmp_path, [clip], quiet)["a"]
    assert str(path) in found.error
    assert found == Probe(error=found.error), "and nothing else is claimed"


def copy(root: Path, images: int) -> list[Clip]:
    folder(root, [scene(seed, 24, 32) for seed in range(images)])
    return [Clip(f"clip {i}", f"{i + 1}.png", 0, "train", face={"": (0.0, 0.0, 5.0, 5.0)}) for i in range(images)]


def test_probes_are_kept_until_the_medium_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "copy"
    clips = copy(root, 5)
    encode(root / "a.avi", numbered(5))
    folder(root / "frames", numbered(3))
    clips += [Clip("video", "a.avi", 0, "train"), Clip("folder", "frames", 0, "train")]
    first = probes(root, clips, quiet)
    assert first == {clip.id: probe(root / clip.media) for clip in clips}

    read: list[str] = []
    monkeypatch.setattr(room, "probe", lambda path: read.append(path.name) or probe(path))
    assert probes(root, clips, quiet) == first
    assert read == []

    cv2.imwrite(str(root / "2.png"), scene(77, 24, 32))
    cv2.imwrite(str(root / "frames" / "3.png"), scene(78))
    encode(root / "a.avi", numbered(6))
    again = probes(root, clips, quiet)
    assert sorted(read) == ["2.png", "a.avi", "frames"]
    assert again["clip 1"].content != first["clip 1"].content
    assert again["folder"].content != first["folder"].content
    assert again["video"].frames == 6
    assert again["clip 0"] == first["clip 0"]


def test_a_touched_file_of_the_same_size_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "copy"
    clips = copy(root, 2)
    probes(root, clips, quiet)
    read: list[str] = []
    monkeypatch.setattr(room, "probe", lambda path: read.append(path.name) or probe(path))
    os.utime(root / "1.png", ns=(1, 1))
    probes(root, clips, quiet)
    assert read == ["1.png"]


def test_boxes_are_judged_anew_although_the_pixels_are_kept(tmp_path: Path) -> None:
    root = tmp_path / "copy"
    (clip,) = copy(root, 1)
    assert not probes(root, [clip], quiet)["clip 0"].outside
    moved = Clip(clip.id, clip.media, 0, "train", face={"": (40.0, 0.0, 50.0, 5.0)})
    assert probes(root, [moved], quiet)["clip 0"].outside


def test_what_failed_is_tried_again_and_two_clips_may_share_a_medium(tmp_path: Path) -> None:
    root = tmp_path / "copy"
    clips = copy(root, 1)
    clips += [Clip("lost", "late.png", 0, "train"), Clip("twin", "1.png", 0, "test")]
    found = probes(root, clips, quiet)
    assert "late.png" in found["lost"].error
    assert found["twin"] == found["clip 0"]
    cv2.imwrite(str(root / "late.png"), scene())
    assert probes(root, clips, quiet)["lost"].error == ""


def test_an_interrupted_audit_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "copy"
    clips = copy(root, 40)

    def impatient(done: int, total: int) -> None:
        if done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        probes(root, clips, impatient)
    steps: list[tuple[int, int]] = []
    found = probes(root, clips, lambda done, total: steps.append((done, total)))
    assert steps[0][0] >= 12
    assert steps[-1] == (40, 40)
    assert [done for done, _ in steps] == list(range(steps[0][0], 41))
    assert len(found) == 40


def test_a_long_audit_saves_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(room, "SAVE_EVERY", 0.0)
    root = tmp_path / "copy"
    clips = copy(root, 6)
    on_disk: list[int] = []

    def look(done: int, total: int) -> None:
        on_disk.extend(len(json.loads(file.read_text())["probes"]) for file in cache.glob("probes/*.json"))

    probes(root, clips, look)
    assert on_disk == [1, 2, 3, 4, 5]


def test_a_broken_file_of_kept_probes_is_made_again(tmp_path: Path, cache: Path) -> None:
    root = tmp_path / "copy"
    clips = copy(root, 2)
    first = probes(root, clips, quiet)
    (kept,) = cache.glob("probes/*.json")
    whole = json.loads(kept.read_text())
    line = whole["probes"]["1.png"]
    odd = [[], None, line[:-1], [*line, ""], ["", 1], [line[0], "3", *line[2:]], {"frames": 1}]
    lines = [json.dumps({**whole, "probes": {**whole["probes"], "1.png": each}}) for each in odd]
    others = ("", "{}", "[]", "null", '{"form": 1, "probes": []}', '{"form": -1, "probes": {"1.png": ["", 1]}}')
    for content in (*others, *lines, "[" * 100_000):
        kept.write_text(content)
        assert probes(root, clips, quiet) == first


def test_two_audits_of_one_copy_at_a_time_keep_what_both_saw(tmp_path: Path, cache: Path) -> None:
    root = tmp_path / "copy"
    clips = copy(root, 6)

    def another(done: int, total: int) -> None:
        if done == 1:
            probes(root, clips[3:], quiet)

    probes(root, clips[:3], another)
    steps: list[tuple[int, int]] = []
    probes(root, clips, lambda done, total: steps.append((done, total)))
    assert steps == [(6, 6)]


def test_copies_in_two_places_are_kept_apart(tmp_path: Path, cache: Path) -> None:
    for place in ("one", "two"):
        probes(tmp_path / place / "copy", copy(tmp_path / place / "copy", 1), quiet)
    assert len(list(cache.glob("probes/*.json"))) == 2
