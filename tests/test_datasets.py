"""Adapters read the real layouts with their real quirks, and a new one is a small file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import plugins
from harness.clips import Scan, scan
from harness.datasets import Adapter, Listed
from harness.datasets.caer import CAER
from harness.datasets.daisee import DAiSEE
from harness.datasets.raer import RAER
from harness.errors import BadInput
from harness.lists import from_last, media_below, parse_line, plain, read_list, stem
from harness.protocol import Face, Train
from harness.settings import parse

lenient = Face(max_missing=1.0)
SPLITS = {"train": 3, "validation": 1, "test": 2}


def read(cls: type[Adapter], root: Path, face: Face = lenient, **settings: Any) -> Scan:
    return scan(cls(parse(cls.Settings, settings, cls.name), root), Train(), face)


def write(path: Path, content: str | bytes = b"video") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def notes(found: Scan) -> dict[str, str]:
    return {note.kind: note.message for note in found.notes}


def labels(found: Scan) -> dict[str, int]:
    return {clip.id: clip.label for clip in found.clips}


# --- CAER ---------------------------------------------------------------------------------------------------


def caer(root: Path, lists: bool = True, folders: dict[str, str] | None = None) -> dict[str, list[str]]:
    """A copy of CAER, and its lines."""
    lines: dict[str, list[str]] = {}
    for split, n in SPLITS.items():
        for label, name in enumerate(CAER.classes):
            for i in range(n):
                path = f"{split}/{(folders or {}).get(name, name)}/{i:04d}.avi"
                write(root / path)
                lines.setdefault(split, []).append(f"{path} {60 + i} {label}")
    for split, text in lines.items() if lists else ():
        write(root / f"{split}.txt", "\n".join(text))  # no newline at the end, as in the public lists
    return lines


def test_caer_is_read_by_its_lists(tmp_path: Path) -> None:
    caer(tmp_path)
    found = read(CAER, tmp_path)
    assert Counter(clip.split for clip in found.clips) == {"train": 21, "val": 7, "test": 14}
    clip = next(clip for clip in found.clips if clip.id == "train/Disgust/0001")
    assert (clip.media, clip.label, clip.frames) == ("train/Disgust/0001.avi", 1, 61)


def test_a_list_is_believed_over_the_folders_names(tmp_path: Path) -> None:
    caer(tmp_path, folders={"Anger": "Angry", "Disgust": "Fear", "Fear": "Disgust"})
    found = labels(read(CAER, tmp_path))
    assert found["train/Angry/0000"] == 0
    assert found["train/Fear/0000"] == 1
    assert found["train/Disgust/0000"] == 2


def test_without_lists_the_folders_are_the_annotation_and_aliases_are_known(tmp_path: Path) -> None:
    caer(tmp_path, lists=False, folders={"Anger": "Angry", "Sad": "sad"})
    found = read(CAER, tmp_path)
    assert labels(found)["train/Angry/0000"] == 0
    assert labels(found)["test/sad/0000"] == 5
    assert "labels-from-folders" in notes(found)
    assert len(found.clips) == 42


def test_a_class_folder_nobody_knows_is_bad_input_with_a_guess(tmp_path: Path) -> None:
    caer(tmp_path, lists=False, folders={"Surprise": "Surprised"})
    with pytest.raises(BadInput, match=r"Surprised: is no class .*did you mean Surprise"):
        read(CAER, tmp_path)


def test_a_root_with_neither_lists_nor_split_folders_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="neither annotation lists nor split folders"):
        read(CAER, tmp_path)


def test_odd_bytes_in_lists_do_not_matter_and_duplicates_are_noted(tmp_path: Path) -> None:
    lines = caer(tmp_path)
    write(tmp_path / "train/Happy/a name with 2 blanks.avi")
    text = ["", *lines["train"], lines["train"][3], "   ", "train/Happy/a name with 2 blanks.avi 12 3"]
    write(tmp_path / "train.txt", b"\xef\xbb\xbf" + "\r\n".join(text).encode())
    found = read(CAER, tmp_path)
    assert len(found.clips) == 43
    assert labels(found)["train/Happy/a name with 2 blanks"] == 3
    assert f"{tmp_path / 'train.txt'}:23" in notes(found)["duplicate-line"]


@pytest.mark.parametrize(
    "line", ["train/Anger/0001.avi", "train/Anger/0001.avi 60 Anger", "train/a.avi 60 -1", "7", "a,"]
)
def test_a_line_that_cannot_be_read_is_named_with_its_text(tmp_path: Path, line: str) -> None:
    lines = caer(tmp_path)
    write(tmp_path / "train.txt", "\n".join([*lines["train"], line]))
    with pytest.raises(BadInput, match=r"train\.txt:22: ") as error:
        read(CAER, tmp_path)
    assert line in str(error.value)
    assert error.value.mend


def test_a_contradicting_line_names_both(tmp_path: Path) -> None:
    lines = caer(tmp_path)
    write(tmp_path / "train.txt", "\n".join([*lines["train"], lines["train"][0][:-1] + "4"]))
    with pytest.raises(BadInput, match=r"train\.txt:22: .* is 4 here and 0 in .*train\.txt:1 "):
        read(CAER, tmp_path)


def test_a_label_beyond_the_classes_names_its_line(tmp_path: Path) -> None:
    lines = caer(tmp_path)
    write(tmp_path / "test.txt", "\n".join([*lines["test"], "test/Sad/0000.avi 60 9"]))
    with pytest.raises(BadInput, match=r"test\.txt:\d+"):
        read(CAER, tmp_path)


def test_text_that_is_not_utf8_is_bad_input(tmp_path: Path) -> None:
    caer(tmp_path)
    write(tmp_path / "train.txt", "train/Anger/0001.avi 60 0".encode("utf-16"))
    with pytest.raises(BadInput, match=r"train\.txt: is not UTF-8"):
        read(CAER, tmp_path)


def test_lists_are_found_in_annotations_beside_and_where_told(tmp_path: Path) -> None:
    for home, settings in (
        ("CAER/annotations", {}),
        ("annotations", {}),
        ("else", {"annotations": str(tmp_path / "else")}),
    ):
        lines = caer(tmp_path / "CAER", lists=False)
        for split, text in lines.items():
            write(tmp_path / home / f"{split}.txt", "\n".join(text[1:]))
        found = read(CAER, tmp_path / "CAER", **settings)
        assert len(found.clips) == 39, home
        assert "video-without-label" in notes(found)
        for split in lines:
            (tmp_path / home / f"{split}.txt").unlink()


def test_two_lists_for_one_split_are_not_chosen_between(tmp_path: Path) -> None:
    caer(tmp_path, lists=False)
    for fold in (1, 2):
        write(tmp_path / f"set_{fold}_train.txt", "train/Anger/0000.avi 1 0")
    with pytest.raises(BadInput, match=r"several lists for one split: set_1_train\.txt, set_2_train\.txt"):
        read(CAER, tmp_path)


def test_the_same_clip_in_two_lists_is_a_leak_and_refused(tmp_path: Path) -> None:
    lines = caer(tmp_path)
    write(tmp_path / "validation.txt", "\n".join(lines["test"]))
    with pytest.raises(BadInput, match="is in `val` and again in `test`"):
        read(CAER, tmp_path)


@pytest.mark.parametrize("prefix", ["", "CAER/", "/home/x/train/data/", "C:\\data\\CAER\\", "./"])
def test_foreign_prefixes_are_stripped_to_what_is_on_disk(tmp_path: Path, prefix: str) -> None:
    lines = caer(tmp_path)
    for split, text in lines.items():
        write(tmp_path / f"{split}.txt", "\n".join(prefix + line for line in text))
    assert len(read(CAER, tmp_path).clips) == 42


def test_clips_extracted_to_frames_or_in_another_container_are_found(tmp_path: Path) -> None:
    caer(tmp_path)
    (tmp_path / "train/Anger/0000.avi").unlink()
    write(tmp_path / "train/Anger/0000/1.jpg")
    (tmp_path / "train/Anger/0001.avi").rename(tmp_path / "train/Anger/0001.mp4")
    found = read(CAER, tmp_path)
    media = {clip.id: clip.media for clip in found.clips}
    assert media["train/Anger/0000"] == "train/Anger/0000"
    assert media["train/Anger/0001"].endswith(".mp4")
    assert "media-converted" in notes(found)
    assert "video-without-label" not in notes(found)


KEYS = {
    "path": "{path}.avi",
    "path without extension": "{path}",
    "prefixed": "CAER/{path}.avi",
    "prefixed, without extension": "CAER/{path}",
    "absolute, of another machine": "/media/D/zlm/CAER/{path}.avi",
}


@pytest.mark.parametrize("key", KEYS.values(), ids=list(KEYS))
def test_boxes_are_found_under_every_known_spelling_of_the_key(tmp_path: Path, key: str) -> None:
    lines = [line for text in caer(tmp_path).values() for line in text]
    paths = [stem(line.split()[0]) for line in lines]
    write(tmp_path / "annotations/caer_faces.json", json.dumps({key.format(path=p): [1, 2, 3, 4] for p in paths[:-1]}))
    found = read(CAER, tmp_path, Face())
    assert sum(clip.face == {"": (1.0, 2.0, 3.0, 4.0)} for clip in found.clips) == 41
    assert "41 of 42 clips have a box" in notes(found)["box-keys"]
    assert "face-missing" in notes(found)


def test_too_many_missing_boxes_stop_and_show_the_nearest_keys(tmp_path: Path) -> None:
    lines = [line for text in caer(tmp_path).values() for line in text]
    boxes = {f"Films/{stem(line.split()[0])}-face": [1, 2, 3, 4] for line in lines}
    write(tmp_path / "faces.json", json.dumps(boxes))
    with pytest.raises(BadInput, match="42 of 42 clips have no box") as error:
        read(CAER, tmp_path, Face())
    assert error.value.mend.count("the nearest is 'Films/") == 3


def test_bad_boxes_are_named_and_flat_ones_count_as_missing(tmp_path: Path) -> None:
    caer(tmp_path)
    flat = {"CAER/train/Anger/0000": [5, 5, 5, 9], "CAER/train/Anger/0001": None, "CAER/train/Anger/0002": [0, 0, 9, 9]}
    file = write(tmp_path / "caer_faces.json", json.dumps(flat))
    found = read(CAER, tmp_path)
    assert found.faces["train"] == {"found": 1, "missing": 20}
    assert "box-degenerate" in notes(found)
    for bad in ('{"a": [1, 2, 3]}', "[1]", "{"):
        file.write_text(bad)
        with pytest.raises(BadInput, match=r"caer_faces\.json"):
            read(CAER, tmp_path)


# --- RAER ---------------------------------------------------------------------------------------------------


def raer(root: Path, first: int = 1, classes: int = 5) -> dict[str, Path]:
    """A copy of RAER whose lists were made on another machine; returns its lists."""
    lists = {}
    for split, n in (("train", 10), ("test", 3)):
        lines = []
        for label in range(classes):
            for i in range(n):
                home = f"{split}/{RAER.classes[label]}/s{i % 5}/{i:03d}"
                for frame in range(2):
                    write(root / home / f"{frame}.jpg")
                lines.append(f"/media/F/FERDataset/AER-DB/{home} 2 {label + first}\n")
        lists[split] = write(root / f"annotations/RAER_{split}.txt", "".join(lines))
    return lists


@pytest.mark.parametrize("first", [0, 1])
def test_where_labels_start_is_read_from_all_lists_together(tmp_path: Path, first: int) -> None:
    lists = raer(tmp_path, first)
    # A test list without the first class tells nothing by itself.
    kept = [line for line in lists["test"].read_text().splitlines() if "Neutral" not in line]
    lists["test"].write_text("\n".join(kept))
    found = read(RAER, tmp_path)
    assert all(clip.label == RAER.classes.index(clip.id.split("/")[1]) for clip in found.clips)
    assert notes(found)["first-label"].startswith(f"labels start at {first}")
    assert Counter(clip.split for clip in found.clips) == {"train": 40, "val": 10, "test": 12}


def test_labels_that_fit_neither_base_are_asked_about(tmp_path: Path) -> None:
    raer(tmp_path, first=1, classes=4)  # 1..4 of 5 classes: either the first or the last is missing
    with pytest.raises(BadInput, match=r"don't tell their base .*data\.raer\.first_label"):
        read(RAER, tmp_path)
    assert max(clip.label for clip in read(RAER, tmp_path, first_label="1").clips) == 3
    assert min(clip.label for clip in read(RAER, tmp_path, first_label="0").clips) == 1
    lists = raer(tmp_path / "both", first=1)
    lists["test"].write_text(lists["test"].read_text() + "/x/test/odd 2 0\n")
    with pytest.raises(BadInput, match="labels from 0 to 5"):
        read(RAER, tmp_path / "both")


def test_persons_named_by_a_pattern_are_never_on_both_sides(tmp_path: Path) -> None:
    raer(tmp_path)
    found = read(RAER, tmp_path, subject=r"train/\w+/(s\d)/")
    sides = {split: {c.subject for c in found.clips if c.split == split} for split in ("train", "val")}
    assert sides["val"]
    assert not sides["train"] & sides["val"]
    for bad in ("(", "nogroup|s"):
        with pytest.raises(BadInput, match=r"data\.raer\.subject"):
            read(RAER, tmp_path, subject=bad)


def test_boxes_per_frame_are_keyed_by_the_folder_as_the_list_writes_it(tmp_path: Path) -> None:
    lists = raer(tmp_path)
    homes = [line.split()[0] for file in lists.values() for line in file.read_text().splitlines()]
    boxes = {home: {"0.jpg": [1, 2, 3, 4]} for home in homes}
    write(tmp_path / "annotations/face_detection_result.json", json.dumps(boxes))
    body = write(
        tmp_path / "annotations/body_detection_result.json", json.dumps({home: [0, 0, 9, 9] for home in homes})
    )
    found = read(RAER, tmp_path, Face())
    assert all(clip.face == {"0.jpg": (1.0, 2.0, 3.0, 4.0)} and clip.body is None for clip in found.clips)
    assert all(clip.body == (0.0, 0.0, 9.0, 9.0) for clip in read(RAER, tmp_path, bodies=str(body)).clips)
    with pytest.raises(BadInput, match=r"data\.raer\.bodies"):
        read(RAER, tmp_path, bodies=str(tmp_path / "none.json"))


def test_box_files_that_disagree_are_not_chosen_between(tmp_path: Path) -> None:
    raer(tmp_path)
    for i in (1, 2):
        write(tmp_path / f"faces{i}.json", json.dumps({"train/Neutral/s0/000": [0, 0, i, i]}))
    with pytest.raises(BadInput, match="another box"):
        read(RAER, tmp_path)
    assert read(RAER, tmp_path, faces=str(tmp_path / "faces2.json")).has_boxes


# --- DAiSEE -------------------------------------------------------------------------------------------------


def daisee(root: Path, header: str = "ClipID,Boredom,Engagement,Confusion,Frustration ") -> None:
    for s, split in enumerate(("Train", "Validation", "Test"), start=1):
        rows = [header]
        for i in range(8):
            clip = f"{s}1000{i % 4}10{i:02d}"
            write(root / f"DataSet/{split}/{clip[:6]}/{clip}/{clip}.avi")
            rows.append(f"{clip}.avi,{(i + 1) % 4},{i % 4},0,3")
        write(root / f"Labels/{split}Labels.csv", "\r\n".join(rows) + "\r\n")


def test_daisee_is_read_from_its_tables_by_person(tmp_path: Path) -> None:
    daisee(tmp_path)
    found = read(DAiSEE, tmp_path)
    assert Counter(clip.split for clip in found.clips) == {"train": 8, "val": 8, "test": 8}
    clip = found.clips[0]
    assert clip.id == "Test/310000/3100001000"
    assert clip.subject == "310000"
    assert clip.label == 0
    assert clip.media == "DataSet/Test/310000/3100001000/3100001000.avi"
    assert not found.has_boxes
    assert found.faces["test"] == {"found": 0, "missing": 8}


def test_the_affect_is_a_setting_and_has_its_own_sentences(tmp_path: Path) -> None:
    daisee(tmp_path)
    assert labels(read(DAiSEE, tmp_path, affect="boredom"))["Test/310000/3100001000"] == 1
    assert set(labels(read(DAiSEE, tmp_path, affect="frustration")).values()) == {3}
    sentences = set()
    for affect in ("boredom", "engagement", "confusion", "frustration"):
        sentences |= set(DAiSEE(DAiSEE.Settings(affect=affect), tmp_path).descriptions())
    assert len(sentences) == 16


def test_daisee_copies_differ_in_form(tmp_path: Path) -> None:
    daisee(tmp_path)
    home = tmp_path / "DataSet/Train/110000"
    (home / "1100001000/1100001000.avi").rename(home / "1100001000/1100001000.mp4")
    (home / "1100001004/1100001004.avi").unlink()
    write(home / "1100001004/frames/1.jpg")
    home = tmp_path / "DataSet/Train/110001"
    (home / "1100011001/1100011001.avi").unlink()
    write(home / "1100011001/11000110011.jpg")
    (home / "1100011005/1100011005.avi").unlink()
    write(home / "1100011999/1100011999.avi")
    found = read(DAiSEE, tmp_path)
    media = {clip.id: clip.media.split("/", 3)[-1] for clip in found.clips}
    assert media["Train/110000/1100001000"] == "1100001000/1100001000.mp4"
    assert media["Train/110000/1100001004"] == "1100001004/frames"
    assert media["Train/110001/1100011001"] == "1100011001"
    assert "Train/110001/1100011005" not in media
    assert "1100011005" in notes(found)["label-without-video"]
    assert "1100011999" in notes(found)["video-without-label"]


def test_boxes_of_another_set_beside_the_root_are_not_ours(tmp_path: Path) -> None:
    daisee(tmp_path / "DAiSEE")
    write(tmp_path / "annotations/caer_faces.json", '{"CAER/train/Anger/0001": [1, 2, 3, 4]}')
    assert not read(DAiSEE, tmp_path / "DAiSEE", Face()).has_boxes
    ours = write(tmp_path / "DAiSEE/Labels/faces.json", '{"Test/310000/3100001000": [1, 2, 3, 4]}')
    assert read(DAiSEE, tmp_path / "DAiSEE").has_boxes
    ours.unlink()
    write(tmp_path / "else.json", "{}")
    assert read(DAiSEE, tmp_path / "DAiSEE", faces=str(tmp_path / "else.json")).has_boxes


def test_bad_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no label tables"):
        read(DAiSEE, tmp_path)
    daisee(tmp_path, header="ClipID,Boredom,Engaged,Confusion,Frustration")
    with pytest.raises(BadInput, match=r"TrainLabels\.csv:1: no column 'Engagement' .*Engaged"):
        read(DAiSEE, tmp_path)
    daisee(tmp_path)
    for row, where in (
        ("1100001000.avi,0,4,0,0", "is '4'"),
        ("1100001000.avi,0", "cells"),
        ("1100001000.avi,0,3,0,0", "here"),
    ):
        table = tmp_path / "Labels/TrainLabels.csv"
        before = table.read_text()
        table.write_text(before + row)
        with pytest.raises(BadInput, match=rf"TrainLabels\.csv:10: .*{where}"):
            read(DAiSEE, tmp_path)
        table.write_text(before)


# --- all of them, and new ones ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["caer", "daisee", "raer"])
def test_every_adapter_declares_itself_and_describes_each_class(name: str, tmp_path: Path) -> None:
    cls = plugins.get("datasets", name)
    adapter = cls(cls.Settings(), tmp_path)
    assert cls.title == cls.folder
    assert cls.paper.startswith("arXiv:")
    assert cls.metric in ("war", "uar")
    assert len(adapter.descriptions()) == len(cls.classes) == len(set(adapter.descriptions()))


NEW_SET = '''
from harness.datasets import Adapter

class Stage(Adapter):
    """Actors."""
    name, title, folder = "stage", "Stage", "Stage"
    classes = ("calm", "cross")

    def descriptions(self):
        return ("a calm face", "a cross face")
'''


def test_a_new_data_set_is_one_small_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_from_files", {kind: {} for kind in plugins.BASES})
    assert plugins.add_file(str(write(tmp_path / "stage.py", NEW_SET))) == ["stage"]
    stage = plugins.get("datasets", "stage")
    for split in ("train", "test"):
        for name in stage.classes:
            for i in range(4):
                write(tmp_path / f"Stage/{split}/{name}/{i}.mp4")
    found = read(stage, tmp_path / "Stage")
    assert Counter(clip.split for clip in found.clips) == {"train": 6, "val": 2, "test": 8}
    assert issubclass(stage.Settings, Listed)


def test_a_set_without_sentences_is_told_where_they_go(tmp_path: Path) -> None:
    class Bare(Adapter):
        name, classes = "bare", ("calm",)

    with pytest.raises(BadInput, match=r"\[bare\]: no sentence for calm"):
        Bare(Listed(), tmp_path).descriptions()


names = st.text("abc.-_ äß", min_size=1, max_size=12).map(str.strip).filter(bool)
paths = st.lists(names, min_size=1, max_size=4).map("/".join)


@given(path=paths, frames=st.integers(0, 9999), label=st.integers(0, 99), gap=st.sampled_from([" ", "  ", "\t", ", "]))
def test_any_line_reads_back_as_it_was_written(path: str, frames: int, label: int, gap: str) -> None:
    line = parse_line(f" {path}{gap}{frames}{gap}{label}\n", "x:1")
    assert (line.path, line.frames, line.label) == (path, frames, label)
    line = parse_line(f"{path}{gap}{label}", "x:1")
    assert (line.path, line.frames, line.label) == (path, 0, label)


@given(path=paths, ending=st.sampled_from(["\n", "\r\n", "\r"]), blank=st.integers(0, 3), last=st.booleans())
def test_any_line_ending_gives_the_same_list(tmp_path_factory, path, ending, blank, last) -> None:  # type: ignore[no-untyped-def]
    text = ending * blank + ending.join(f"{path}/{i} 5 {i}" for i in range(3)) + ending * last
    file = write(tmp_path_factory.mktemp("list") / "train.txt", text)
    lines = read_list(file, lambda *note: None)
    assert [(line.path, line.label, line.where) for line in lines] == [
        (f"{path}/{i}", i, f"{file}:{i + 1 + blank}") for i in range(3)
    ]


def test_paths_keep_their_leading_dots() -> None:
    assert plain("./.hidden/..name") == ".hidden/..name"
    assert plain("../up") == "../up"
    assert from_last("train/train/Disgust/6023.png", {"train"}) == "train/Disgust/6023.png"
    assert from_last("/x/RAER/007", {"train"}) == "x/RAER/007"
    assert stem("a/clip.v2") == "a/clip.v2"
    assert stem("a/b.c.avi") == "a/b.c"


def test_media_are_videos_and_folders_of_images_but_no_thumbnails(tmp_path: Path) -> None:
    for path in ("a/1.avi", "a/1.jpg", "b/c/1.png", "b/c/2.png", "b/._x/1.png", "b/notes.txt"):
        write(tmp_path / "t" / path)
    assert list(media_below(tmp_path, "t")) == ["t/a/1.avi", "t/b/c"]
