"""Boxes are found under every spelling of their keys; where they aren't, keys and clips are laid side by side."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import build, lists, write
from reading import lenient, notes, read, read_built

from harness.data.boxes import Boxes, another_convention
from harness.data.paths import stem
from harness.errors import BadInput
from harness.protocol import Face

KEYS = {
    "path": "{}.avi",
    "path without extension": "{}",
    "prefixed": "CAER/{}.avi",
    "prefixed, without extension": "CAER/{}",
    "absolute, of another machine": "/media/D/zlm/CAER/{}.avi",
}


def clips_of(root: Path) -> list[str]:
    return [stem(row.split()[0]) for file in lists(root) for row in file.read_text().splitlines()]


def boxes(tmp_path: Path, found: object, *places: str) -> Boxes:
    file = write(tmp_path / "faces.json", found if isinstance(found, str) else json.dumps(found))
    return Boxes(
        [file], [(place, place, stem(place)) for place in places], "Set", ("train", "test"), lambda *note: None
    )


@pytest.mark.parametrize("key", KEYS.values(), ids=list(KEYS))
def test_boxes_are_found_under_every_known_spelling_of_the_key(tmp_path: Path, key: str) -> None:
    clips = clips_of(build("caer", tmp_path))
    file = write(tmp_path / "annotations/caer_video_faces.json", "")
    file.write_text(json.dumps({key.format(clip): [1, 2, 3, 4] for clip in clips[:-1]}))
    found = read("caer", tmp_path, Face(max_missing=0.2))
    assert sum(clip.face == {"": (1.0, 2.0, 3.0, 4.0)} for clip in found.clips) == 41
    assert "41 of 42 clips have a face box" in notes(found)["box-keys"].message
    assert "face-missing" in notes(found)


def test_keys_may_be_the_clips_ids(tmp_path: Path) -> None:
    build("dfew", tmp_path)
    write(tmp_path / "faces.json", json.dumps({f"{n:05d}": [1, 2, 3, 4] for n in range(1, 36)}))
    assert all(clip.face for clip in read("dfew", tmp_path).clips)


def test_keys_of_another_form_are_shown_beside_the_clips(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="clips of train have no box") as error:
        read_built("caer", tmp_path, "other-keys", Face())
    assert "keys look like 'Films:0:CAER-train-Anger-0001', the clips like 'train/Anger/0001.avi'" in error.value.mend
    assert error.value.mend.count("the nearest is 'Films:") == 3


def test_a_gap_is_shown_beside_keys_of_the_same_form(tmp_path: Path) -> None:
    keys = ["train/Angry/0002.png", "train/Angry/0001.png", "test/Anger/0002.png", "train-Anger-0002"]
    found = boxes(tmp_path, {key: [0, 0, 1, 1] for key in keys}, *keys[:3], "train/Anger/0002.png")
    assert found.get(("train/Anger/0002.png",) * 3) is None
    assert found.neighbours() == "'train/Anger/0002.png' is not there, the nearest is 'train/Angry/0002.png'"


def test_another_clip_is_not_offered_for_one_that_has_no_box(tmp_path: Path) -> None:
    found = boxes(tmp_path, {f"train/Anger/000{n}": [0, 0, 1, 1] for n in (1, 2, 4)}, "train/Anger/0001")
    assert found.get(("train/Anger/0003",) * 3) is None
    assert found.neighbours() == "'train/Anger/0003' is not there"


def test_keys_in_another_case_are_counted(tmp_path: Path) -> None:
    keys = [f"train/{name}/1" for name in ("Anger", "surprise", "sad")]
    places = [f"train/{name}/1" for name in ("Anger", "Surprise", "Sad", "Fear")]
    found = boxes(tmp_path, {key: [0, 0, 1, 1] for key in keys}, *places)
    assert sum(found.get((place, place, place)) is None for place in places) == 3
    assert found.neighbours().startswith("2 of 3 missing keys differ in capital and small letters alone; ")


def test_a_box_file_that_was_cut_off_is_called_so(tmp_path: Path) -> None:
    whole = json.dumps({"a": [0, 0, 1, 1], "b": [0, 0, 2, 2]})
    for end in (3, 12, len(whole) - 1):
        with pytest.raises(BadInput, match=r"faces\.json: can't be read as JSON: .* — it looks cut off: copy it again"):
            boxes(tmp_path, whole[:end], "a")
    with pytest.raises(BadInput, match="mend it there"):
        boxes(tmp_path, whole.replace("[", "(", 1), "a")


def test_a_key_that_is_there_without_a_usable_box_is_called_so(tmp_path: Path) -> None:
    found = boxes(tmp_path, {"a": [0, 0, 1, 1], "b": None}, "a", "b")
    assert found.get(("b", "b", "b")) is None
    assert found.neighbours() == "'b' has no usable box"


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ([0.2, 0.1, 0.6, 0.9], [0, 0, 0.5, 1], "are they normalised? e.g. [0.2, 0.1, 0.6, 0.9]"),
        ([300, 80, 90, 120], [9, 9, 90, 90], "are they x, y, width, height? e.g. [300, 80, 90, 120]"),
        ([300, 80, 390, 200], [9, 9, 90, 90], ""),
        ([0, 0, 0, 0], [9, 9, 90, 90], ""),  # how some detectors say that they found no face
    ],
)
def test_numbers_of_another_convention_are_a_problem_to_a_run(
    tmp_path: Path, first: list[float], second: list[float], told: str
) -> None:
    clips = clips_of(build("caer", tmp_path))
    file = tmp_path / "annotations/caer_video_faces.json"
    file.write_text(json.dumps({clip: second if n % 2 else first for n, clip in enumerate(clips)}))
    note = notes(read("caer", tmp_path)).get("box-geometry")
    assert (note.message if note else "").endswith(told) and bool(note) == bool(told)
    assert note is None or note.mend


@given(st.lists(st.tuples(*[st.floats(-50, 700)] * 2, *[st.floats(2, 400)] * 2), min_size=1))
def test_boxes_in_pixels_are_of_no_other_convention(made: list[tuple[float, float, float, float]]) -> None:
    assert another_convention([(x, y, x + w, y + h) for x, y, w, h in made if max(x + w, y + h) > 1]) is None


def test_without_lists_the_clips_that_lack_boxes_are_called_by_their_paths(tmp_path: Path) -> None:
    build("caer", tmp_path, "other-keys")
    for file in lists(tmp_path):
        file.unlink()
    with pytest.raises(BadInput, match="have no box") as error:
        read("caer", tmp_path, Face())
    assert error.value.mend.count("avi' is not there") == 3 and "''" not in error.value.mend


def test_flat_and_boundless_boxes_count_as_missing(tmp_path: Path) -> None:
    found = read_built("caer", tmp_path, "one-flat-box")
    assert found.faces["train"] == {"found": 20, "missing": 1}
    assert notes(found)["box-degenerate"].message.endswith("CAER/train/Anger/0001")
    text = '{"a": [0, 0, NaN, 4], "b": [0, 0, 1e999, 4], "c": [0, 0, 1' + "0" * 400 + ', 4], "d": [0, 0, 4, 4]}'
    found_boxes = boxes(tmp_path, text, *"abcd")
    assert [found_boxes.get((key,) * 3) is not None for key in "abcd"] == [False, False, False, True]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"a": [1, 2, 3]}', "is not a box"),
        ('{"a": [true, 2, 3, 4]}', "is not a box"),
        ('{"a": {"1.jpg": 5}}', "is not a box"),
        ("[1]", "is not a JSON object"),
        ("{", "can't be read as JSON"),
        ('{"a": [0, 0, 1, 1], "a": [0, 0, 2, 2]}', "'a' is there twice, with different boxes"),
    ],
)
def test_files_that_hold_something_else_are_named(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(BadInput, match=rf"faces\.json.*{what}"):
        boxes(tmp_path, text, "a")


def test_box_files_that_disagree_are_not_chosen_between(tmp_path: Path) -> None:
    build("raer", tmp_path)
    for i in (1, 2):
        write(tmp_path / f"annotations/faces{i}.json", json.dumps({"train/Neutral/001": [0, 0, i, i]}))
    (tmp_path / "annotations/face_detection_result.json").unlink()
    with pytest.raises(BadInput, match="another box"):
        read("raer", tmp_path)
    assert read("raer", tmp_path, faces=str(tmp_path / "annotations/faces2.json")).has_boxes
    with pytest.raises(BadInput, match=r"data\.raer\.faces"):
        read("raer", tmp_path, faces=str(tmp_path / "none.json"))


def test_boxes_of_another_set_beside_the_root_are_not_ours(tmp_path: Path) -> None:
    build("daisee", tmp_path / "DAiSEE")
    write(tmp_path / "annotations/faces.json", '{"Test/310000/3100001000": [1, 2, 3, 4]}')
    write(tmp_path / "DAiSEE/caer_faces.json", '{"Test/310000/3100001000": [1, 2, 3, 4]}')
    assert not read("daisee", tmp_path / "DAiSEE", Face()).has_boxes
    write(tmp_path / "DAiSEE/Labels/faces.json", '{"Test/310000/3100001000": [1, 2, 3, 4]}')
    found = read("daisee", tmp_path / "DAiSEE", lenient)
    assert [clip.id for clip in found.clips if clip.face] == ["Test/310000/3100001000"]


def test_seventy_thousand_boxes_are_read_and_missed_in_seconds(tmp_path: Path) -> None:
    clips = [f"train/c{i % 7}/{i:05d}.png" for i in range(70_000)]
    start = time.process_time()
    found = boxes(tmp_path, {clip: [0, 0, 1, 1] for i, clip in enumerate(clips) if i % 10}, *clips)
    assert sum(found.get((clip, clip, stem(clip))) is None for clip in clips) == 7_000
    assert found.neighbours().count("is not there") == 3
    assert time.process_time() - start < 15  # a search through all keys took minutes


@pytest.mark.parametrize("depth", [400, 100_000])
@pytest.mark.parametrize("ends", ["[]", '{"f":}'])
def test_boxes_nested_without_measure_are_named(tmp_path: Path, depth: int, ends: str) -> None:
    before, after = ends[:-1], ends[-1:]
    with pytest.raises(BadInput, match=r"faces\.json"):
        boxes(tmp_path, f'{{"a": {before * depth}1{after * depth}}}', "a")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)
likely = st.lists(st.integers(-9, 9) | st.floats() | st.integers(10**400, 10**401), min_size=4, max_size=4)


@given(found=st.dictionaries(st.sampled_from(["a", "b", ""]), likely | anything | st.dictionaries(st.text(), likely)))
def test_no_json_breaks_the_reading_of_boxes(tmp_path_factory: pytest.TempPathFactory, found: object) -> None:
    with contextlib.suppress(BadInput):
        made = boxes(tmp_path_factory.mktemp("boxes"), found, "a", "c")
        assert made.get(("a", "a", "a")) is None or "a" in found  # type: ignore[operator]
        made.get(("c", "c", "c"))
        made.neighbours()
