"""`scan` trusts nothing: it refuses, notes or repairs, and what it makes is the same every time."""

from __future__ import annotations

import random
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data import media
from harness.data.clips import Clip, Note, Scan, as_dataset, natural
from harness.data.scan import hold_out, scan
from harness.errors import BadInput
from harness.protocol import Clips, Face, Train

BOX = {"": (1.0, 2.0, 3.0, 4.0)}
lenient = Face(max_missing=1.0)


class Made:
    """An adapter of given clips, whose media are written to disk."""

    name, folder, classes, boxed = "made", "Made", ("calm", "cross", "glad"), False

    def __init__(self, root: Path, clips: list[Clip], write: bool = True) -> None:
        self.root, self.given, self.notes, self.boxes = root, clips, list[Note](), None
        root.mkdir(exist_ok=True)
        for clip in clips if write else ():
            (root / clip.media).parent.mkdir(parents=True, exist_ok=True)
            (root / clip.media).write_bytes(clip.id.encode())

    official: ClassVar[dict[str, int]] = {}

    def clips(self) -> Iterator[Clip]:
        yield from self.given

    def sizes(self) -> dict[str, int]:
        return self.official


def clip(id: str, label: int = 0, split: str = "train", **facts: object) -> Clip:
    return Clip(id, f"{id}.avi", label, split, **facts)  # type: ignore[arg-type]


def three_splits(n: int = 4, **facts: object) -> list[Clip]:
    return [clip(f"{s}/{k}/{i}", k, s, **facts) for s in ("train", "val", "test") for k in range(3) for i in range(n)]


def kinds(found: Scan) -> dict[str, int]:
    return {note.kind: note.count for note in found.notes}


def test_a_missing_root_is_bad_input_that_says_what_to_set(tmp_path: Path) -> None:
    source = Made(tmp_path, [])
    source.root = tmp_path / "nowhere"
    with pytest.raises(BadInput, match=r"nowhere: no such folder .*data\.made\.root"):
        scan(source, Train(), lenient, Clips())


def test_a_root_one_folder_too_high_is_recognised(tmp_path: Path) -> None:
    source = Made(tmp_path, three_splits(), write=False)
    (tmp_path / "Made").mkdir()
    with pytest.raises(BadInput, match=r"did you mean .*Made"):
        scan(source, Train(), lenient, Clips())


@pytest.mark.parametrize(
    "path", ["../secret.avi", "a/../../secret.avi", "/etc/passwd", "link/secret.avi", "link.avi", ""]
)
def test_paths_that_leave_the_root_are_refused(tmp_path: Path, path: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.avi").write_bytes(b"x")
    source = Made(tmp_path / "root", three_splits())
    (source.root / "link").symlink_to(outside)
    (source.root / "link.avi").symlink_to(outside / "secret.avi")
    source.given.append(Clip("sly", path, 0, "train"))
    with pytest.raises(BadInput, match="leads outside"):
        scan(source, Train(), lenient, Clips())


def test_links_within_the_root_are_fine_and_so_is_a_linked_root(tmp_path: Path) -> None:
    source = Made(tmp_path / "root", three_splits())
    (source.root / "again.avi").symlink_to(source.root / "train/0/0.avi")
    source.given.append(clip("again"))
    (tmp_path / "linked").symlink_to(tmp_path / "root")
    source.root = tmp_path / "linked"
    assert len(scan(source, Train(), lenient, Clips()).clips) == 37


def test_a_frame_that_links_outside_is_refused(tmp_path: Path) -> None:
    source = Made(tmp_path / "root", three_splits())
    (tmp_path / "secret.png").write_bytes(b"x")
    (source.root / "sly").mkdir()
    (source.root / "sly/1.png").symlink_to(tmp_path / "secret.png")
    source.given.append(Clip("sly", "sly", 0, "train"))
    with pytest.raises(BadInput, match="leads outside"):
        scan(source, Train(), lenient, Clips())


def test_repeated_ids_name_both_splits(tmp_path: Path) -> None:
    source = Made(tmp_path, [*three_splits(), clip("train/0/0", 0, "test")])
    with pytest.raises(BadInput, match="train/0/0: is in `train` and again in `test`"):
        scan(source, Train(), lenient, Clips())


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_out_of_range_are_named(tmp_path: Path, label: int) -> None:
    source = Made(tmp_path, [*three_splits(), clip("odd", label)])
    with pytest.raises(BadInput, match=f"odd: label {label} is outside 0..2"):
        scan(source, Train(), lenient, Clips())


def test_clips_without_media_are_left_out_and_noted_once(tmp_path: Path) -> None:
    source = Made(tmp_path, three_splits())
    source.given += [clip(f"train/0/gone{i}") for i in range(5)]
    found = scan(source, Train(), lenient, Clips(max_absent=0.5))
    assert len(found.clips) == 36
    assert [c.id for c in found.absent] == [f"train/0/gone{i}" for i in range(5)]
    assert kinds(found)["label-without-video"] == 5
    assert told(found).endswith("left out: train/0/gone0, train/0/gone1, train/0/gone2, …")


def told(found: Scan) -> str:
    return next(note.message for note in found.notes if note.kind == "label-without-video")


def test_folders_that_are_gone_are_told_before_single_clips(tmp_path: Path) -> None:
    source = Made(tmp_path, three_splits())
    source.given += [clip("train/0/gone"), *(clip(f"train/person/{i}/{i}") for i in range(4))]
    found = scan(source, Train(), lenient, Clips(max_absent=0.5))
    assert told(found).endswith("left out: all of train/person/ (4 clips), train/0/gone")


def test_folders_in_another_case_are_told_as_such(tmp_path: Path) -> None:
    source = Made(tmp_path, three_splits())
    (source.root / "train/0").rename(source.root / "train/zero")
    (source.root / "train/zero").rename(source.root / "train/ZeRo")
    source.given += [clip(f"train/Zero/{i}") for i in range(4)]
    source.given = [c for c in source.given if not c.id.startswith("train/0/")]
    with pytest.raises(BadInput, match=r"train/Zero is here as train/ZeRo \(4 clips\) — rename what is spelt"):
        scan(source, Train(), lenient, Clips())


def test_a_folder_that_is_there_is_not_called_by_another_case(tmp_path: Path) -> None:
    source = Made(tmp_path, three_splits())
    for name in ("Frames", "FRAMES", "frames"):
        (source.root / "train" / name).mkdir()
    source.given.append(Clip("train/Frames", "train/Frames", 0, "train"))
    found = scan(source, Train(), lenient, Clips(max_absent=0.5))
    assert told(found).endswith("left out: train/Frames (a folder without frames lies there)")


def test_a_folder_where_a_video_should_be_is_called_so(tmp_path: Path) -> None:
    source = Made(tmp_path, three_splits())
    (source.root / "train/0/0.avi").unlink()
    (source.root / "train/0/0.avi").mkdir()
    found = scan(source, Train(), lenient, Clips(max_absent=0.5))
    assert told(found).endswith("train/0/0 (a folder without frames lies there)")


def test_links_out_of_the_root_are_told_with_the_link_and_its_end(tmp_path: Path) -> None:
    source = Made(tmp_path / "root", three_splits())
    (source.root / "test").rename(tmp_path / "other disk")
    (source.root / "test").symlink_to(tmp_path / "other disk")
    with pytest.raises(BadInput) as error:
        scan(source, Train(), lenient, Clips())
    assert f"to {tmp_path}/other disk: {source.root}/test is a link (and 11 other clips)" in error.value.what
    (tmp_path / "other disk").rename(tmp_path / "away")
    with pytest.raises(BadInput, match=r"root/test is a broken link: .*other disk is not there"):
        scan(source, Train(), lenient, Clips())


def test_frames_that_are_overwritten_in_place_are_seen_once_a_set_is_opened_anew(tmp_path: Path) -> None:
    source = Made(tmp_path, three_splits())
    (source.root / "f").mkdir()
    (source.root / "f/1.jpg").write_bytes(b"x")
    source.given.append(Clip("f", "f", 0, "train"))
    first = scan(source, Train(), lenient, Clips()).fingerprint
    (source.root / "f/1.jpg").write_bytes(b"longer")
    media.forget()
    assert scan(source, Train(), lenient, Clips()).fingerprint != first


def test_a_set_that_is_published_with_boxes_is_not_trained_without_by_oversight(tmp_path: Path) -> None:
    source = Made(tmp_path, three_splits())
    source.boxed = True  # type: ignore[misc]
    with pytest.raises(BadInput, match=r"no face boxes, though .* data\.made\.faces; face\.max_missing=1 goes on"):
        scan(source, Train(), Face(), Clips())
    assert not scan(source, Train(), lenient, Clips()).has_boxes


def test_a_split_that_lacks_much_of_what_is_labelled_is_refused(tmp_path: Path) -> None:
    source = Made(tmp_path, three_splits())
    source.given += [clip("test/gone", split="test")]
    with pytest.raises(BadInput, match=r"1 of 13 clips of test are not in this copy.*test/gone.*clips\.max_absent"):
        scan(source, Train(), lenient, Clips())
    assert len(scan(source, Train(), lenient, Clips(max_absent=0.08)).clips) == 36


def test_a_folder_with_another_number_of_frames_than_listed_is_noted(tmp_path: Path) -> None:
    source = Made(tmp_path, three_splits())
    (source.root / "f").mkdir()
    for i in range(3):
        (source.root / f"f/{i}.jpg").write_bytes(b"x")
    source.given.append(Clip("f", "f", 0, "train", frames=4))
    assert kinds(scan(source, Train(), lenient, Clips()))["frame-count"] == 1


def test_an_official_val_is_left_alone_and_a_missing_one_is_made_and_noted(tmp_path: Path) -> None:
    source = Made(tmp_path, three_splits())
    assert "val-made" not in kinds(scan(source, Train(), lenient, Clips()))
    source.given = [c for c in source.given if c.split != "val"]
    found = scan(source, Train(holdout=0.25), lenient, Clips())
    held = [c for c in found.clips if c.split == "val"]
    assert Counter(c.label for c in held) == {0: 1, 1: 1, 2: 1}
    assert kinds(found)["val-made"] == 3
    assert {c.id for c in found.clips if c.split == "test"} == {c.id for c in source.given if c.split == "test"}


def test_a_val_that_is_made_is_a_problem_only_where_there_is_an_official_one(tmp_path: Path) -> None:
    source = Made(tmp_path, [c for c in three_splits() if c.split != "val"])
    made = next(note for note in scan(source, Train(), lenient, Clips()).notes if note.kind == "val-made")
    assert made.mend == "" and made.message.startswith("no official `val`: ")
    source.official = {"train": 12, "val": 1316}  # type: ignore[misc]
    made = next(note for note in scan(source, Train(), lenient, Clips()).notes if note.kind == "val-made")
    assert made.mend and made.message.startswith("officially `val` has 1,316 clips, here none: ")


persons = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), min_size=1, max_size=120)


@given(rows=persons, share=st.floats(0.05, 0.5), seed=st.integers(0, 9))
def test_a_hold_out_splits_no_person_and_does_not_depend_on_order(rows: list, share: float, seed: int) -> None:
    clips = [clip(str(i), label, subject=f"p{person}" if person else "") for i, (label, person) in enumerate(rows)]
    held = hold_out(clips, share)
    where = defaultdict(set)
    for c in clips:
        where[c.subject].add(c.id in held)
    assert all(len(sides) == 1 for subject, sides in where.items() if subject)
    random.Random(seed).shuffle(clips)
    assert hold_out(clips, share) == held


@given(sizes=st.lists(st.integers(0, 60), min_size=3, max_size=3), share=st.floats(0.05, 0.5))
def test_without_persons_each_class_gives_its_share(sizes: list[int], share: float) -> None:
    clips = [clip(f"{label}/{i}", label) for label, size in enumerate(sizes) for i in range(size)]
    ids = hold_out(clips, share)
    held = Counter(c.label for c in clips if c.id in ids)
    assert all(abs(held[label] - share * size) <= 0.5 + 1e-6 for label, size in enumerate(sizes))


def test_a_hold_out_by_person_still_comes_near_the_share() -> None:
    rng = random.Random(0)
    clips = [clip(str(i), rng.choice([0, 0, 0, 1, 1, 2]), subject=f"p{rng.randrange(40)}") for i in range(800)]
    ids = hold_out(clips, 0.2)
    total, held = Counter(c.label for c in clips), Counter(c.label for c in clips if c.id in ids)
    assert all(0.15 < held[label] / total[label] < 0.28 for label in total)


def test_a_person_on_both_sides_of_official_splits_is_noted(tmp_path: Path) -> None:
    clips = [replace(c, subject=c.id.split("/")[0]) for c in three_splits()]
    clips[-1] = replace(clips[-1], subject="train")
    assert kinds(scan(Made(tmp_path, clips), Train(), lenient, Clips()))["subject-leak"] == 13


def test_a_limit_keeps_the_same_few_of_each_class_and_split(tmp_path: Path) -> None:
    source = Made(tmp_path, three_splits())
    found = scan(source, Train(limit=2), lenient, Clips())
    assert set(Counter((c.split, c.label) for c in found.clips).values()) == {2}
    source.given.reverse()
    assert scan(source, Train(limit=2), lenient, Clips()).clips == found.clips
    assert {c.id for c in scan(source, Train(limit=1), lenient, Clips()).clips} < {c.id for c in found.clips}


@pytest.mark.parametrize("missing", ["center-crop", "full-frame", "skip"])
def test_missing_boxes_are_counted_noted_and_skipped_if_so_wished(tmp_path: Path, missing: str) -> None:
    clips = three_splits(face=BOX)
    clips[0] = replace(clips[0], face=None)
    found = scan(Made(tmp_path, clips), Train(), Face(missing=missing, max_missing=0.1), Clips())
    assert found.has_boxes
    assert found.faces["train"] == {"found": 11, "missing": 1}
    assert len(found.clips) == (35 if missing == "skip" else 36)
    assert kinds(found)["face-missing"] == 1


def test_missing_boxes_stop_where_they_are_errors_or_too_many(tmp_path: Path) -> None:
    clips = three_splits(face=BOX)
    clips[0] = replace(clips[0], face=None)
    with pytest.raises(BadInput, match="1 clips have no face box: train/0/0"):
        scan(Made(tmp_path, clips), Train(), Face(missing="error", max_missing=0.1), Clips())
    with pytest.raises(BadInput, match=r"1 of 12 clips of train have no box, more than face\.max_missing"):
        scan(Made(tmp_path, clips), Train(), Face(max_missing=0.01), Clips())
    found = scan(Made(tmp_path, three_splits()), Train(), Face(), Clips())
    assert not found.has_boxes, "a set that never had boxes has none to miss"


def test_the_fingerprint_follows_the_copy_and_not_its_place(tmp_path: Path) -> None:
    source = Made(tmp_path / "a", three_splits(face=BOX))
    first = scan(source, Train(), Face(), Clips()).fingerprint
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert scan(Made(tmp_path / "b", source.given[::-1], write=False), Train(), Face(), Clips()).fingerprint == first
    for change in (
        {"label": 1},
        {"split": "val"},
        {"frames": 9},
        {"face": {"": (1.0, 2.0, 3.0, 5.0)}},
        {"body": BOX[""]},
    ):
        changed = [replace(source.given[0], **change), *source.given[1:]]
        assert scan(Made(tmp_path / "b", changed, write=False), Train(), Face(), Clips()).fingerprint != first
    (tmp_path / "b/train/0/0.avi").write_bytes(b"longer than before")
    assert scan(Made(tmp_path / "b", source.given, write=False), Train(), Face(), Clips()).fingerprint != first


def test_frames_sort_as_people_count() -> None:
    assert sorted(["f10.png", "f9.png", "f1.png"], key=natural) == ["f1.png", "f9.png", "f10.png"]


def test_the_index_is_a_dataset_with_class_names_boxes_and_our_fingerprint(tmp_path: Path) -> None:
    clips = three_splits(face=BOX)
    clips[0] = replace(clips[0], face={"1.jpg": (0.0, 1.0, 2.0, 3.0), "2.jpg": (4.0, 5.0, 6.0, 7.0)}, subject="p")
    clips[1] = replace(clips[1], face=None, body=(1.0, 1.0, 9.0, 9.0))
    found = scan(Made(tmp_path, clips), Train(), lenient, Clips())
    dataset = as_dataset(found, Made.classes)
    assert dataset._fingerprint == found.fingerprint
    assert len(dataset) == 36
    assert dataset.features["label"].names == list(Made.classes)
    rows = {row["id"]: row for row in dataset}
    assert rows["train/0/0"]["boxes"][1] == {"frame": "2.jpg", "box": [4.0, 5.0, 6.0, 7.0]}
    assert rows["train/0/1"]["boxes"] == []
    assert rows["train/0/1"]["body"] == [1.0, 1.0, 9.0, 9.0]


def test_skipping_clips_without_a_box_may_not_empty_a_split(tmp_path: Path) -> None:
    clips = [replace(each, face=None if each.split == "val" else BOX) for each in three_splits()]
    with pytest.raises(BadInput, match="no clip of val has a face box, so all would be skipped"):
        scan(Made(tmp_path, clips), Train(), Face(missing="skip", max_missing=1.0), Clips())
