"""DFEW, FERV39k and MAFW: by fold, from their own lists or the common ones, wherever the crops lie."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from layouts import MAFW_CLASSES, build, folder, lines
from reading import adapter, labels, notes, read, read_built

from harness.errors import BadInput

FOLDED = ("dfew", "mafw")


@pytest.mark.parametrize("name", FOLDED)
@pytest.mark.parametrize("quirk", [None, "one-list-for-all"])
def test_five_folds_test_every_clip_once_under_the_same_id(name: str, quirk: str | None, tmp_path: Path) -> None:
    build(name, tmp_path, quirk)
    folds = [read(name, tmp_path, fold=str(fold)) for fold in range(1, 6)]
    tested = Counter(clip.id for found in folds for clip in found.clips if clip.split == "test")
    assert set(tested.values()) == {1}
    assert all({clip.id for clip in found.clips} == tested.keys() for found in folds)
    assert all(labels(found) == labels(folds[0]) for found in folds)


def test_the_sets_own_lists_and_the_common_ones_mean_the_same(tmp_path: Path) -> None:
    for name, quirk in (("dfew", "one-list-for-all"), ("mafw", "one-list-for-all"), ("ferv39k", "numbers-for-names")):
        own, common = read_built(name, tmp_path / name), read_built(name, tmp_path / f"{name}-common", quirk)
        assert labels(own) == labels(common)
        assert {clip.id: clip.media for clip in own.clips} == {clip.id: clip.media for clip in common.clips}


def test_labels_are_the_classes_that_the_sets_mean(tmp_path: Path) -> None:
    dfew = read_built("dfew", tmp_path / "dfew")
    assert labels(dfew)["00008"] == 1  # number 8 is written with label 2, from 1
    mafw = labels(read_built("mafw", tmp_path / "mafw"))
    assert all(label == int(clip) % len(MAFW_CLASSES) for clip, label in mafw.items())
    ferv = labels(read_built("ferv39k", tmp_path / "ferv39k"))
    assert ferv["War/Angry/0001"] == 3
    assert set(labels(dfew)) == {f"{number:05d}" for number in range(1, 36)}


@pytest.mark.parametrize("name", FOLDED)
def test_a_sign_that_only_looks_like_a_number_is_a_name(name: str, tmp_path: Path) -> None:
    file = build(name, tmp_path, "one-list-for-all") / f"annotations/{name.upper()}_set_1_train.txt"
    lines(file, [*file.read_text().splitlines(), "² 3 1"])
    assert "0000²" in [clip.id for clip in read(name, tmp_path, fold="1").absent]


@pytest.mark.parametrize("name", FOLDED)
def test_a_fold_whose_lists_are_absent_says_which_there_are(name: str, tmp_path: Path) -> None:
    build(name, tmp_path, "one-list-for-all")
    for file in (tmp_path / "annotations").glob(f"{name.upper()}_set_[35]_*"):
        file.unlink()
    with pytest.raises(BadInput, match="no lists of fold 3; there are folds 1, 2, 4"):
        read(name, tmp_path, fold="3")


def test_all_folds_are_not_read_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"data\.dfew\.fold: one fold is read at a time"):
        list(adapter("dfew", build("dfew", tmp_path), fold="all").clips())


@pytest.mark.parametrize("name", FOLDED)
def test_official_sizes_are_those_of_the_fold(name: str, tmp_path: Path) -> None:
    folds = [adapter(name, tmp_path, fold=str(fold)).sizes() for fold in range(1, 6)]
    assert len({sum(sizes.values()) for sizes in folds}) == 1
    assert folds[0] != folds[4]
    assert adapter(name, tmp_path, fold="all").sizes() == {}


@pytest.mark.parametrize(
    ("name", "quirk", "home"),
    [
        ("dfew", None, "Clip/clip_224x224/00009"),
        ("dfew", "other-home", "my crops/00009"),
        ("dfew", "original-films", "Clip/original/9.mp4"),
        ("mafw", "original-films", "data/clips/00009.mp4"),
    ],
)
def test_the_crops_are_found_wherever_they_lie(name: str, quirk: str | None, home: str, tmp_path: Path) -> None:
    media = {clip.id: clip.media for clip in read_built(name, tmp_path, quirk).clips}
    assert media["00009"] == home


def test_the_crops_may_lie_in_the_root_itself(tmp_path: Path) -> None:
    build("dfew", tmp_path, "other-home")
    for crops in (tmp_path / "my crops").iterdir():
        crops.rename(tmp_path / crops.name)
    folder(tmp_path, "99999")
    found = read("dfew", tmp_path)
    assert {clip.id: clip.media for clip in found.clips} == {clip.id: clip.id for clip in found.clips}
    assert notes(found)["video-without-label"].message.endswith("99999")


@pytest.mark.parametrize("name", FOLDED)
def test_without_any_media_the_clips_lie_where_the_original_has_them(name: str, tmp_path: Path) -> None:
    full = build(name, tmp_path / "full")
    expected = {clip.id: clip.media for clip in adapter(name, full).clips()}
    (tmp_path / "bare").mkdir()
    bare = adapter(name, tmp_path / "bare", annotations=str(full))
    assert {clip.id: clip.media for clip in bare.clips()} == expected


def test_a_class_that_contradicts_the_folder_is_seen_in_ferv39k(tmp_path: Path) -> None:
    file = build("ferv39k", tmp_path) / "4_setups/All_scenes/train_All.csv"
    rows = file.read_text().splitlines()
    lines(file, [rows[0].replace(" Happy", " Sad"), *(row.replace(" ", "\t") for row in rows[1:])])
    note = notes(read("ferv39k", tmp_path))["label-contradicts-folder"]
    assert (note.count, "is labelled Sadness" in note.message) == (1, True)
