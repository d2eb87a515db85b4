"""Paths from elsewhere are read by what exists here; where nothing exists, by what is known of the set."""

from __future__ import annotations

from pathlib import Path

import pytest
from layouts import write

from harness.data.paths import existing, from_last, home_of, media_below, place, plain, stem
from harness.errors import BadInput

SPLITS = ("train", "test")


def placed(root: Path, *paths: str) -> tuple[list[str], list[str]]:
    said: list[str] = []
    return place(paths, root, SPLITS, "x", lambda *note: said.append(note[2])), said


def test_paths_keep_their_leading_dots() -> None:
    assert plain("./.hidden/..name") == ".hidden/..name"
    assert plain("../up") == "../up"
    assert from_last("train/train/Disgust/6023.png", {"train"}) == "train/Disgust/6023.png"
    assert from_last("/x/RAER/007", {"train"}) == "x/RAER/007"
    assert stem("a/clip.v2") == "a/clip.v2"
    assert stem("a/b.c.avi") == "a/b.c"


@pytest.mark.parametrize("prefix", ["CAER/", "/home/x/train/data/", "C:\\data\\CAER\\", "./", "train/"])
@pytest.mark.parametrize("there", [True, False])
def test_foreign_prefixes_are_stripped_with_and_without_media(tmp_path: Path, prefix: str, there: bool) -> None:
    if there:
        write(tmp_path / "train/Anger/1.avi", "")
    assert placed(tmp_path, f"{prefix}train/Anger/1.avi")[0] == ["train/Anger/1.avi"]


def test_what_is_on_disk_decides_over_what_is_usual(tmp_path: Path) -> None:
    write(tmp_path / "train/train/1.avi", "")
    assert placed(tmp_path, "train/train/1.avi") == (["train/train/1.avi"], [])
    write(tmp_path / "clips/7.avi", "")
    paths, said = placed(tmp_path, "/data/x/clips/7.avi")
    assert paths == ["clips/7.avi"]
    assert said == ["paths like '/data/x/clips/7.avi' are read without the first 2 folders"]


def test_only_paths_that_are_read_otherwise_are_spoken_of(tmp_path: Path) -> None:
    write(tmp_path / "train/1.avi", "")
    assert placed(tmp_path, "./train/1.avi", "train//1.avi") == (["train/1.avi"] * 2, [])
    write(tmp_path / "train/2.avi", "")
    paths, said = placed(tmp_path, "train/1.avi", "/x/train/2.avi")
    assert paths == ["train/1.avi", "train/2.avi"]
    assert said == ["paths like '/x/train/2.avi' are read from the last split folder on"]


def test_a_root_inside_the_set_is_not_read_as_if_two_clips_were_one(tmp_path: Path) -> None:
    for path in ("train/Anger/1.avi", "test/Anger/1.avi"):
        write(tmp_path / "CAER" / path, "")
    with pytest.raises(BadInput) as error:
        placed(tmp_path / "CAER/train", "train/Anger/1.avi", "test/Anger/1.avi")
    assert "'train/Anger/1.avi' and 'test/Anger/1.avi' would be one file" in error.value.what
    assert error.value.mend == f"the root is too low in the tree: give {tmp_path / 'CAER'}"


def test_a_clip_is_found_in_other_forms(tmp_path: Path) -> None:
    write(tmp_path / "a/1.mp4", "")
    write(tmp_path / "a/2/1.jpg", "")
    assert existing(tmp_path, "a/1.avi") == "a/1.mp4"
    assert existing(tmp_path, "a/2.avi") == "a/2"
    assert existing(tmp_path, "a/3.avi") is None


def test_an_image_is_found_in_another_format_but_is_no_video(tmp_path: Path) -> None:
    write(tmp_path / "a/1.jpg", "")
    assert existing(tmp_path, "a/1.png") == "a/1.jpg"
    assert existing(tmp_path, "a/1.avi") is None


def home(root: Path, *clips: tuple[str, ...]) -> tuple[str, list[str]]:
    said: list[str] = []
    return home_of(root, clips, ("Clip/crops", "Clip/original"), lambda *note: said.append(note[2])), said


def test_the_home_of_clips_is_found_by_what_lies_in_it(tmp_path: Path) -> None:
    assert home(tmp_path, ("00001",)) == ("Clip/crops", [])
    write(tmp_path / "deep/down/00002/1.jpg", "")
    assert home(tmp_path, ("00001",), ("00002",)) == ("deep/down", ["the clips are read from here"])
    write(tmp_path / "Clip/original/2.mp4", "")
    assert home(tmp_path, ("00001", "1"), ("00002", "2"))[0] == "Clip/original"
    write(tmp_path / "Clip/crops/00002/1.jpg", "")
    assert home(tmp_path, ("00002", "2")) == (
        "Clip/crops",
        ["the clips are read from here; they are also in Clip/original"],
    )


def test_the_root_itself_may_be_the_home(tmp_path: Path) -> None:
    write(tmp_path / "00001/1.jpg", "")
    assert home(tmp_path, ("00001",))[0] == ""


def test_media_are_videos_and_folders_of_images_but_no_thumbnails(tmp_path: Path) -> None:
    for path in ("a/1.avi", "a/1.jpg", "b/c/1.png", "b/c/2.png", "b/._x/1.png", "b/notes.txt"):
        write(tmp_path / "t" / path, "")
    assert list(media_below(tmp_path, "t")) == ["t/a/1.avi", "t/b/c"]
    write(tmp_path / "2.avi", "")
    assert list(media_below(tmp_path, "")) == ["t/a/1.avi", "t/b/c", "2.avi"]


def test_links_that_lead_round_and_round_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "t/a/1/1.jpg", "")
    write(tmp_path / "other/2/1.jpg", "")
    for link, target in (("t/a/up", ".."), ("t/a/self", "self"), ("t/b", "../other"), ("other/back", "../t")):
        (tmp_path / link).symlink_to(target)
    assert list(media_below(tmp_path, "t")) == ["t/a/1", "t/b/2"]
    assert home(tmp_path, ("2",))[0] == "other"
