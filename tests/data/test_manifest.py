"""A manifest describes the clips and nothing else, survives its file, and tells in words how two copies differ."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import build, lines, lists

from harness.cli import main
from harness.data import manifest
from harness.data.clips import Clip
from harness.data.manifest import Entry, Manifest, differences
from harness.data.probe import Probe
from harness.errors import BadInput

CLASSES = ("calm", "cross", "glad")


def entry(number: int, **facts: Any) -> Entry:
    usual: dict[str, Any] = {"label": number % 3, "split": "train", "frames": 20, "width": 64, "height": 48}
    usual |= {"seconds": 2.0, "face": [1.0, 2.0, 30.0, 40.0], "body": None, "content": f"c{number}", "looks": "0f" * 8}
    return Entry(id=f"train/{number}", **usual | facts)


def made(**facts: Any) -> Manifest:
    """Ten clips, all with these facts."""
    return Manifest("made", CLASSES, tuple(entry(number, **facts) for number in range(10)))


def kinds(a: Manifest, b: Manifest) -> dict[str, str]:
    return {d.kind: f"{d.count} {d.message}" for d in differences.compare(a, b).differences}


# --- the hash ---------------------------------------------------------------------------------------------------


def test_the_hash_is_of_the_clips_and_not_of_their_order() -> None:
    clips = [Clip(f"train/{i}", f"{i}.avi", i % 3, "train", face={"": (1, 2, 3, 4)}) for i in range(9)]
    probes = {clip.id: Probe(frames=5 + i, width=64, height=48, content=str(i)) for i, clip in enumerate(clips)}
    first = manifest.hash_of("made", CLASSES, clips, probes)
    random.Random(0).shuffle(clips)
    assert manifest.hash_of("made", CLASSES, clips, probes) == first
    moved = [dataclasses.replace(clip, media="elsewhere/" + clip.media) for clip in clips]
    assert manifest.hash_of("made", CLASSES, moved, probes) == first
    for change in ({"label": (clips[0].label + 1) % 3}, {"split": "val"}, {"face": None}, {"body": (0, 0, 1, 1)}):
        other = [dataclasses.replace(clips[0], **change), *clips[1:]]
        assert manifest.hash_of("made", CLASSES, other, probes) != first, change
    probes[clips[0].id] = dataclasses.replace(probes[clips[0].id], content="other")
    assert manifest.hash_of("made", CLASSES, clips, probes) != first


def test_boxes_by_frame_are_hashed_by_frame() -> None:
    clip = Clip("a", "a", 0, "train", face={"1.jpg": (1, 2, 3, 4), "2.jpg": (1, 2, 3, 5)})
    (one,) = manifest.of("made", CLASSES, [clip], {"a": Probe()}).entries
    assert isinstance(one.face, dict) and one.face["boxes"] == 2


# --- the file ---------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=()), max_size=8)  # lone surrogates too: file names may hold them
sizes = st.integers(0, 2000)
numbers = st.floats(0, 1e6)
boxes = st.none() | st.lists(numbers, min_size=4, max_size=4)
entries = st.builds(
    Entry,
    id=texts,
    label=st.integers(0, 2),
    split=st.sampled_from(["train", "val", "test"]) | st.dictionaries(st.sampled_from("12"), st.just("test")),
    frames=sizes,
    width=sizes,
    height=sizes,
    seconds=numbers,
    face=boxes | st.fixed_dictionaries({"boxes": sizes, "hash": texts}),
    body=boxes,
    content=texts,
    looks=st.from_regex("[0-9a-f]{16}", fullmatch=True) | st.just(""),
)


def whole(rows: list[Entry]) -> Manifest:
    return Manifest("made", CLASSES, tuple(sorted(rows, key=lambda row: row.id)))


manifests = st.lists(entries, max_size=5, unique_by=lambda row: row.id).map(whole)


@given(written=manifests, name=st.sampled_from(["m.jsonl", "m.jsonl.gz"]))
def test_what_is_written_is_read(written: Manifest, name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("made") / name
    written.write(path)
    assert manifest.read(path) == written
    before = path.read_bytes()
    written.write(path)
    assert path.read_bytes() == before, "the same manifest, the same bytes"


@given(place=st.integers(0, 10**6), byte=st.integers(0, 255), name=st.sampled_from(["m.jsonl", "m.jsonl.gz"]))
def test_a_damaged_file_is_bad_input_or_still_the_same(
    place: int, byte: int, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("made") / name
    made().write(path)
    data = bytearray(path.read_bytes())
    data[place % len(data)] = byte
    path.write_bytes(data)
    try:
        assert manifest.read(path).entries == made().entries
    except BadInput as error:
        assert str(path) in str(error)


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | texts, st.lists, max_leaves=4)


@given(key=st.sampled_from([field.name for field in dataclasses.fields(Entry)]), value=json_values)
def test_no_value_of_a_field_gives_a_traceback(key: str, value: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("made") / "m.jsonl"
    made().write(path)
    header, first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([header, json.dumps(json.loads(first) | {key: value}), *rest]))
    try:
        assert manifest.read(path) == made()
    except BadInput as error:
        assert error.mend


@given(data=st.binary(max_size=60) | st.binary(max_size=40).map(lambda tail: b"\x1f\x8b\x08\x00" + tail))
def test_no_bytes_give_a_traceback(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("made") / "m"
    path.write_bytes(data)
    with pytest.raises(BadInput):
        manifest.read(path)


@pytest.mark.parametrize("number", ["1" + "0" * 400, "-" + "9" * 400, "1e999", "NaN", "Infinity"])
def test_a_number_that_is_none_is_bad_input(number: str, tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    made().write(path)
    path.write_text(path.read_text().replace('"seconds":2.0', f'"seconds":{number}', 1))
    with pytest.raises(BadInput, match="seconds is .*, not a number"):
        manifest.read(path)


@pytest.mark.parametrize("name", ["m.jsonl", "m.jsonl.gz"])
def test_a_file_that_holds_more_than_any_manifest_is_not_read_whole(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    made().write(path)
    size = len(path.read_bytes()) if name == "m.jsonl" else len(gzip.decompress(path.read_bytes()))
    monkeypatch.setattr(manifest, "MOST", size)
    assert manifest.read(path) == made()
    monkeypatch.setattr(manifest, "MOST", size - 1)
    with pytest.raises(BadInput, match="which no manifest does"):
        manifest.read(path)


def test_a_file_that_was_cut_off_says_how_much_is_left(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    made().write(path)
    path.write_text("\n".join(path.read_text().splitlines()[:5]))
    with pytest.raises(BadInput, match="holds 4 of 10 clips"):
        manifest.read(path)


# --- differences ------------------------------------------------------------------------------------------------

UNREADABLE = {"frames": 0, "width": 0, "height": 0, "seconds": 0.0, "content": "", "looks": ""}
CHANGES: list[tuple[dict[str, Any], str, str]] = [
    ({"frames": 21}, "frames", "10 have one frame more in B"),
    ({"frames": 17}, "frames", "10 have 3 frames fewer in B"),
    ({"width": 128, "height": 96}, "sizes", "10 are scaled by 2 in B"),
    ({"width": 64, "height": 64}, "sizes", "10 have another size and shape in B"),
    ({"seconds": 2.04}, "durations", "by +0.04 s in the median"),
    ({"face": None}, "faces", "10 have a face box only in A"),
    ({"face": [1.0, 2.0, 30.0, 41.0]}, "faces", "10 have another face box"),
    ({"body": [0.0, 0.0, 9.0, 9.0]}, "bodies", "10 have a body box only in B"),
    ({"split": "val"}, "splits", "10 train in A, val in B"),
    ({"split": {"1": "train", "2": "test"}}, "splits", "10 another split in fold"),
    ({"content": "x", "looks": "0f" * 7 + "1f"}, "encoded-again", "10 the same pictures, encoded again"),
    ({"content": "x", "looks": "f0" * 8}, "other-pictures", "10 other pictures"),
    ({"content": ""}, "unreadable-in-one", "10 can be read in one copy only"),
    (UNREADABLE, "unreadable-in-one", "10 can be read in one copy only"),
]


@pytest.mark.parametrize(("change", "kind", "words"), CHANGES)
def test_each_way_of_differing_has_its_words(change: dict[str, Any], kind: str, words: str) -> None:
    found = kinds(made(), made(**change))
    assert list(found) == [kind] and words in found[kind]


def test_counts_are_told_as_people_say_them() -> None:
    a = made()
    b = Manifest("made", CLASSES, (entry(0, frames=25), *a.entries[1:]))
    assert "  1 clip  frames: have 5 frames more in B" in differences.text(differences.compare(a, b))
    assert "10 clips  frames: have 5" in differences.text(differences.compare(a, made(frames=25)))


def test_what_can_not_be_read_is_told_although_other_frames_were_hashed() -> None:
    other = dataclasses.replace(made(**UNREADABLE), sampled="every frame")
    assert list(kinds(made(), other)) == ["sampled", "unreadable-in-one"]


def test_labels_that_are_shifted_by_one_are_recognised() -> None:
    a = Manifest("made", (*CLASSES, "more"), made().entries)
    b = Manifest("made", a.classes, tuple(dataclasses.replace(e, label=e.label + 1) for e in a.entries))
    assert "each by +1: it looks as though one list were read from 0" in kinds(a, b)["labels"]


def test_another_order_of_the_classes_is_not_told_of_every_clip() -> None:
    a, classes = made(), CLASSES[::-1]
    b = Manifest("made", classes, tuple(dataclasses.replace(e, label=2 - e.label) for e in a.entries))
    assert list(kinds(a, b)) == ["classes"]


def test_clips_that_one_copy_lacks_are_counted_by_split() -> None:
    a = made()
    b = Manifest("made", CLASSES, (*a.entries[3:], Entry(**{**entry_facts(a.entries[0]), "id": "z", "split": "test"})))
    assert kinds(a, b) == {
        "only-in-a": "3 clips of train that only A has",
        "only-in-b": "1 clips of test that only B has",
    }


def entry_facts(one: Entry) -> dict[str, Any]:
    return {field.name: getattr(one, field.name) for field in dataclasses.fields(Entry)}


@given(a=manifests, b=manifests)
def test_there_are_differences_exactly_where_the_hashes_differ(a: Manifest, b: Manifest) -> None:
    assert bool(differences.compare(a, b).differences) == (a.hash != b.hash)
    assert not differences.compare(a, a).differences


# --- the commands -----------------------------------------------------------------------------------------------


@pytest.fixture
def describe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str, Path], Path]:
    def command(name: str, root: Path) -> Path:
        out = tmp_path / f"{root.name}.jsonl.gz"
        assert main(["data", "manifest", name, "--root", str(root), "--out", str(out)]) == 0
        capsys.readouterr()
        return out

    return command


def test_a_copy_elsewhere_has_the_same_manifest(
    tmp_path: Path, describe: Callable[[str, Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    first = build("caer", tmp_path / "first")
    second = shutil.copytree(first, tmp_path / "second")
    for file in second.rglob("*.avi"):
        os.utime(file, (1, 1))
    a, b = describe("caer", first), describe("caer", second)
    assert main(["data", "diff", str(a), str(b)]) == 0
    assert "42 equal" in capsys.readouterr().out
    main(["data", "check", "caer", "--root", str(first), "--json"])
    assert json.loads(capsys.readouterr().out)["manifest"] == manifest.read(a).hash


def test_a_moved_clip_is_found_by_the_command(
    tmp_path: Path, describe: Callable[[str, Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = build("caer", tmp_path / "first"), build("caer", tmp_path / "second")
    train = next(file for file in lists(second) if file.stem == "train")
    lines(train, train.read_text().splitlines()[1:])
    a, b = describe("caer", first), describe("caer", second)
    assert main(["data", "diff", str(a), str(b), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["equal"] and found["common"] == 41
    assert [(d["kind"], d["count"], d["examples"]) for d in found["differences"]] == [
        ("only-in-a", 1, ["train/Anger/0001"])
    ]


def test_the_manifest_of_a_set_with_folds_holds_each_fold(
    tmp_path: Path, describe: Callable[[str, Path], Path]
) -> None:
    found = manifest.read(describe("dfew", build("dfew", tmp_path / "DFEW")))
    assert {len(one.split) for one in found.entries} == {5}
    assert all(list(one.split.values()).count("test") == 1 for one in found.entries)  # type: ignore[union-attr]


def test_clips_that_can_not_be_read_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = build("caer", tmp_path / "CAER")
    (root / "train/Anger/0001.avi").write_text("no video")
    out = tmp_path / "m.jsonl"
    assert main(["data", "manifest", "caer", "--root", str(root), "--out", str(out)]) == 0
    assert "1 clip can't be read (`harness data check` says why): train/Anger/0001" in capsys.readouterr().err


def test_a_copy_that_a_run_would_refuse_has_no_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = build("caer", tmp_path / "CAER", "contradiction")
    assert main(["data", "manifest", "caer", "--root", str(root), "--out", str(tmp_path / "m")]) == 2
    assert "keep the right one" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()
