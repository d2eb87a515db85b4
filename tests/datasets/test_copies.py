"""The seven sets are read from their native layouts, clean and with everything that goes wrong with copies."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import cv2
import pytest
from layouts import BODY, NUMBERS, QUIRKS, build, folder, lines, lists, media, write
from reading import adapter, labels, notes, read, read_built

from harness import plugins
from harness.data.scan import survey
from harness.errors import BadInput

EVERY = [(name, quirk) for name, quirks in QUIRKS.items() for quirk in quirks]
LEFT_OUT = {"missing-media": 1}  # clips that a quirk costs
SAYS = {  # the note that tells of a quirk, where reading the labels can see it
    "repeated-line": "duplicate-line",
    "missing-media": "label-without-video",
    "unlabelled-media": "video-without-label",
    "shifted": "label-contradicts-folder",
    "one-flat-box": "box-degenerate",
    "no-lists": "labels-from-folders",
    "frames-instead": "media-converted",
    "another-container": "media-converted",
    "frames-beside": "media-converted",
    "other-home": "media-home",
    "original-films": "media-home",
    "absolute": "foreign-paths",
    "doubled": "foreign-paths",
    "three-columns": "foreign-paths",
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_clean_copy_is_read_whole_and_raises_no_problem(name: str, tmp_path: Path) -> None:
    found = survey(adapter(name, build(name, tmp_path)))
    assert len(found.clips) == NUMBERS[name]
    assert {clip.label for clip in found.clips} == set(range(len(found.adapter.classes)))
    assert not [note for note in found.adapter.notes + found.notes if note.mend]


@pytest.mark.parametrize(("name", "quirk"), EVERY)
def test_every_quirk_is_read_alike_or_said(name: str, quirk: str, tmp_path: Path) -> None:
    if quirk == "contradiction":
        with pytest.raises(BadInput, match=r"(txt|csv):\d+: .* here and .* in .*(txt|csv):\d+"):
            read_built(name, tmp_path, quirk)
        return
    clean = labels(read_built(name, tmp_path / "clean"))
    found = read_built(name, tmp_path / "spoilt", quirk)
    assert len(found.clips) == NUMBERS[name] - LEFT_OUT.get(quirk, 0)
    if quirk not in ("shifted", "three-columns"):
        assert labels(found).items() <= clean.items()
    if quirk in SAYS:
        assert SAYS[quirk] in notes(found)


def test_caer_is_read_by_its_lists(tmp_path: Path) -> None:
    found = read_built("caer", tmp_path)
    assert Counter(clip.split for clip in found.clips) == {"train": 21, "val": 7, "test": 14}
    clip = next(clip for clip in found.clips if clip.id == "train/Disgust/0001")
    assert (clip.media, clip.label, clip.frames) == ("train/Disgust/0001.avi", 1, 4)


def test_a_list_is_believed_over_the_folders_names_and_that_is_said(tmp_path: Path) -> None:
    root = build("caer", tmp_path)
    for old, new in (("Disgust", "x"), ("Fear", "Disgust"), ("x", "Fear")):
        (root / "train" / old).rename(root / "train" / new)
    file = root / "annotations/train.txt"
    text = file.read_text().replace("/Disgust/", "/x/").replace("/Fear/", "/Disgust/").replace("/x/", "/Fear/")
    write(file, text)
    found = read("caer", root)
    assert labels(found)["train/Fear/0001"] == 1
    assert labels(found)["train/Disgust/0001"] == 2
    assert notes(found)["label-contradicts-folder"].count == 6


def test_without_lists_the_folders_are_the_annotation_and_aliases_are_known(tmp_path: Path) -> None:
    root = build("caer", tmp_path, "no-lists")
    (root / "train/Anger").rename(root / "train/Angry")
    (root / "test/Sad").rename(root / "test/sad")
    found = labels(read("caer", root))
    assert (found["train/Angry/0001"], found["test/sad/0001"]) == (0, 5)
    (root / "train/Surprise").rename(root / "train/Surprised")
    with pytest.raises(BadInput, match=r"Surprised: is no class .*did you mean Surprise"):
        read("caer", root)


def test_a_root_with_neither_lists_nor_split_folders_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="neither annotation lists nor split folders"):
        read("caer", tmp_path)


@pytest.mark.parametrize("name", ["caer", "daisee"])
def test_a_root_one_folder_too_high_names_the_one_in_it(name: str, tmp_path: Path) -> None:
    home = build(name, tmp_path / plugins.get("datasets", name).folder)
    with pytest.raises(BadInput, match=f"did you mean {home}"):
        read(name, tmp_path)


def test_lists_are_found_in_annotations_beside_and_where_told(tmp_path: Path) -> None:
    root = build("caer", tmp_path / "CAER")
    for home, settings in (("annotations", {}), ("else", {"annotations": str(tmp_path / "else")})):
        for file in lists(tmp_path):
            write(tmp_path / home / file.name, file.read_bytes())
            file.unlink()
        assert len(read("caer", root, **settings).clips) == 42, home
    with pytest.raises(BadInput, match="holds no lists"):
        read("caer", root, annotations=str(root / "train"))
    with pytest.raises(BadInput, match=r"data\.caer\.annotations: no folder"):
        read("caer", root, annotations=str(root / "none"))


def test_a_clip_in_two_lists_is_a_leak_and_refused(tmp_path: Path) -> None:
    root = build("caer", tmp_path)
    write(root / "annotations/validation.txt", (root / "annotations/test.txt").read_bytes())
    with pytest.raises(BadInput, match="is in `val` and again in `test`"):
        read("caer", root)


def test_images_are_clips_of_one_frame_and_validation_is_the_lists_word(tmp_path: Path) -> None:
    found = read_built("caer-s", tmp_path)
    assert Counter(clip.split for clip in found.clips) == {"train": 21, "val": 7, "test": 14}
    assert labels(found)["train/Angry/0001"] == labels(found)["test/Anger/0001"] == 0
    assert notes(found)["split-by-list"].count == 7
    assert notes(found)["lists-unused"].message == "not read: train_small.txt, validation_small.txt"


def test_the_other_list_of_caer_s_counts_from_one_and_doubles_its_prefixes(tmp_path: Path) -> None:
    found = read_built("caer-s", tmp_path, "three-columns")
    official = {clip.id: clip.label for clip in found.clips}
    assert official["valid/Angry/0009"] == official["train/Angry/0001"] == 0
    assert {clip.frames for clip in found.clips} == {1}
    assert all(clip.face for clip in found.clips)
    assert notes(found)["split-by-list"].message.endswith(
        "valid/Disgust/0009.png is train, valid/Fear/0009.png is train, …"
    )


@pytest.mark.parametrize("name", ["caer", "caer-s", "ferv39k", "raer"])
def test_without_any_media_the_clips_still_lie_where_the_original_has_them(name: str, tmp_path: Path) -> None:
    clean = build(name, tmp_path / "full")
    expected = {clip.id: clip.media for clip in adapter(name, clean).clips()}
    bare, where = tmp_path / "bare", str(lists(clean)[0].parent)
    bare.mkdir()
    assert {clip.id: clip.media for clip in adapter(name, bare, annotations=where).clips()} == expected


@pytest.mark.parametrize("first", [0, 1])
def test_where_labels_start_is_read_from_all_lists_together(tmp_path: Path, first: int) -> None:
    root = build("raer", tmp_path)
    for file in lists(root):
        rows = [row.rsplit(" ", 1) for row in file.read_text().splitlines()]
        # A test list without the first class tells nothing by itself.
        kept = [row for row in rows if file.stem == "train" or row[1] != "1"]
        lines(file, [f"{path} {int(label) - 1 + first}" for path, label in kept])
    found = read("raer", root)
    assert all(clip.label == found_label(clip.id) for clip in found.clips)
    assert notes(found)["first-label"].message.startswith(f"labels start at {first}")


def found_label(clip: str) -> int:
    return ("Neutral", "Enjoyment", "Confusion", "Fatigue", "Distraction").index(clip.split("/")[1])


def test_labels_that_fit_neither_base_are_asked_about(tmp_path: Path) -> None:
    root = build("raer", tmp_path)
    for file in lists(root):
        lines(file, [row for row in file.read_text().splitlines() if not row.endswith(" 5")])
    with pytest.raises(BadInput, match=r"don't tell their base .*data\.raer\.first_label"):
        read("raer", root)
    assert "label-contradicts-folder" not in notes(read("raer", root, first_label="1"))
    assert "looks shifted by one" in notes(read("raer", root, first_label="0"))["label-contradicts-folder"].message


def test_persons_named_by_a_pattern_are_never_on_both_sides(tmp_path: Path) -> None:
    found = read_built("raer", tmp_path, subject=r"train/\w+/(00\d)")
    sides = {split: {c.subject for c in found.clips if c.split == split} for split in ("train", "val")}
    assert sides["val"]
    assert not sides["train"] & sides["val"]
    for bad in ("(", "nogroup|s"):
        with pytest.raises(BadInput, match=r"data\.raer\.subject"):
            read("raer", tmp_path, subject=bad)


def test_faces_are_read_frame_by_frame_and_bodies_wherever_there_are_any(tmp_path: Path) -> None:
    clips = read_built("raer", tmp_path).clips
    assert all(set(clip.face or {}) == {"00001.jpg", "00003.jpg"} for clip in clips)
    assert all(clip.body == tuple(map(float, BODY)) for clip in clips)
    (tmp_path / "annotations/body_detection_result.json").rename(tmp_path / "elsewhere.json")
    assert not any(clip.body for clip in read("raer", tmp_path).clips)
    assert all(clip.body for clip in read("raer", tmp_path, bodies=str(tmp_path / "elsewhere.json")).clips)
    with pytest.raises(BadInput, match=r"data\.raer\.bodies"):
        read("raer", tmp_path, bodies=str(tmp_path / "none.json"))


def test_layouts_hold_as_many_different_clips_as_they_say(tmp_path: Path) -> None:
    for name, number in NUMBERS.items():
        contents = set()
        for clip in media(build(name, tmp_path / name)):
            files = sorted(clip.iterdir()) if clip.is_dir() else [clip]
            contents.add(b"".join(file.read_bytes() for file in files))
        assert len(contents) == number


@pytest.mark.parametrize(
    ("name", "stray"),
    [
        ("caer-s", "train/Happy/film.avi"),
        ("caer-s", "train/Happy/film/1.png"),
        ("caer", "train/Happy/cover.jpg"),
        ("raer", "train/Enjoyment/cover.jpg"),
    ],
)
def test_one_stray_file_in_a_class_folder_does_not_hide_the_others(name: str, stray: str, tmp_path: Path) -> None:
    if name == "raer":
        for split in ("train", "test"):
            for n, label in enumerate(plugins.get("datasets", "raer").classes):
                folder(tmp_path, f"{split}/{label}/{n}")
    else:
        build(name, tmp_path, "no-lists")
    write(tmp_path / stray, "")
    with pytest.raises(BadInput, match=r"holds images \(.*beside videos or folders of media: which are the clips"):
        read(name, tmp_path)


def test_boxes_beside_the_root_are_another_sets_where_folders_are_the_annotation(tmp_path: Path) -> None:
    root = build("caer", tmp_path / "CAER", "no-lists")
    for file in root.rglob("*.json"):
        file.unlink()
    boxes = json.dumps({clip.media: [1, 2, 3, 4] for clip in read("caer", root).clips})
    write(tmp_path / "annotations/faces.json", boxes)
    assert not read("caer", root).has_boxes
    write(root / "annotations/faces.json", boxes)
    assert all(clip.face for clip in read("caer", root).clips)


def test_a_list_of_png_finds_a_copy_of_jpg(tmp_path: Path) -> None:
    root = build("caer-s", tmp_path)
    whole = read("caer-s", root)
    for file in sorted(root.rglob("*.png")):
        picture = cv2.imread(str(file))
        cv2.imwrite(str(file.with_suffix(".jpg")), picture)
        file.unlink()
    found = read("caer-s", root)
    assert labels(found) == labels(whole) and notes(found)["media-converted"].count == len(found.clips)
