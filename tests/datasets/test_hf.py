"""A set of the `datasets` library becomes files, byte for byte, and what its columns mean is never guessed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets as hf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data import cupboard
from harness.data.clips import Scan
from harness.data.scan import scan
from harness.datasets.hf import HF
from harness.errors import BadInput
from harness.protocol import Clips, Face, Train
from harness.settings import parse

JPEG, PNG, MP4, AVI = b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"\0\0\0\x20ftypisom", b"RIFF\0\0\0\0AVI LIST"
MOODS = hf.ClassLabel(names=["sad", "glad"])


@pytest.fixture(autouse=True)
def own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(hf.config, "HF_DATASETS_CACHE", tmp_path / "library")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hf"


def adapter(root: Path | str, **told: Any) -> HF:
    chosen = parse(HF.Settings, {"root": str(root), **told}, "data.hf")
    return HF(chosen, HF.locate(chosen))


def read(root: Path | str, **told: Any) -> Scan:
    return scan(adapter(root, **told), Train(), Face(), Clips(max_absent=0.3))


def medium(split: str, number: int, head: bytes = MP4, path: str | None = None) -> dict[str, Any]:
    return {"bytes": head + f"{split} {number}".encode(), "path": path}


def save(
    root: Path, features: dict[str, Any], rows: int = 4, splits: tuple[str, ...] = ("train", "val", "test"), **of: Any
):
    """A saved set of videos and moods, with other or further columns as functions of split and row number."""
    columns = {"video": medium, "mood": lambda split, n: n % 2, **of}
    types = hf.Features({"video": hf.Video(), "mood": MOODS, **features})
    made = {
        split: hf.Dataset.from_dict({c: [columns[c](split, n) for n in range(rows)] for c in types}, features=types)
        for split in splits
    }
    hf.DatasetDict(made).save_to_disk(root)
    return root


def notes(found: Scan) -> dict[str, str]:
    return {note.kind: note.message for note in found.notes}


# --- what is read -------------------------------------------------------------------------------------------------


def test_videos_become_files_byte_for_byte(tmp_path: Path) -> None:
    found = read(save(tmp_path / "set", {}, splits=("train", "validation", "test")))
    assert {clip.split for clip in found.clips if "validation" in clip.id} == {"val"}
    clip = next(clip for clip in found.clips if clip.id == "test/glad/000003")
    assert (clip.label, clip.media) == (1, "test/000003.mp4")
    assert (found.root / clip.media).read_bytes() == MP4 + b"test 3"
    assert adapter(tmp_path / "set").classes == ("sad", "glad")


def test_images_and_lists_of_images_are_clips_too(tmp_path: Path) -> None:
    def picture(split: str, n: int) -> dict[str, Any]:
        return medium(split, n, PNG)

    def film(split: str, n: int) -> list[dict[str, Any]]:
        return [medium(split, i, JPEG, "x.JPG") for i in range(n + 1)]

    save(tmp_path / "set", {"image": hf.Image(), "frames": hf.List(hf.Image())}, image=picture, frames=film)
    images, films = (read(tmp_path / "set", media=media) for media in ("image", "frames"))
    assert images.clips[0].media == "test/000001.png"
    clip = next(clip for clip in films.clips if clip.media == "train/000002")
    assert clip.frames == 3 and sorted(p.name for p in (films.root / clip.media).iterdir()) == [
        "00001.jpg",
        "00002.jpg",
        "00003.jpg",
    ]


def test_classes_as_text_are_in_natural_order(tmp_path: Path) -> None:
    save(tmp_path / "set", {"label": hf.Value("string")}, label=lambda split, n: f"level {8 + n}")
    assert adapter(tmp_path / "set", label="label").classes == ("level 8", "level 9", "level 10", "level 11")


def test_persons_and_boxes_are_columns(tmp_path: Path) -> None:
    features = {"subject": hf.Value("int64"), "face": hf.List(hf.Value("float32"))}
    save(tmp_path / "set", features, subject=lambda split, n: n, face=lambda split, n: [1.5, 2, 30 + n, 40])
    found = read(tmp_path / "set")
    clip = next(clip for clip in found.clips if clip.id == "val/sad/000002")
    assert clip.subject == "2" and clip.face == {"": (1.5, 2, 32, 40)} and "subject-leak" in notes(found)
    assert notes(found)["columns-read"] == "columns: face face, label mood, media video, subject subject"


def test_each_image_of_a_row_may_have_its_own_box(tmp_path: Path) -> None:
    features = {"frames": hf.List(hf.Image()), "face": hf.List(hf.List(hf.Value("float32")))}

    def film(split: str, n: int) -> list[dict[str, Any]]:
        return [medium(split, i, JPEG, "x.jpg") for i in range(3)]

    def faces(split: str, n: int) -> list[list[float] | None] | None:
        return None if n == 1 else [[1, 2, 30 + n, 40], None, [2, 3, 31, 41]]

    save(tmp_path / "set", features, frames=film, face=faces)
    scanned = scan(adapter(tmp_path / "set", media="frames"), Train(), Face(max_missing=0.3), Clips())
    found = {clip.id: clip.face for clip in scanned.clips}
    assert found["train/sad/000002"] == {"00001.jpg": (1, 2, 32, 40), "00003.jpg": (2, 3, 31, 41)}
    assert found["train/glad/000001"] is None
    save(tmp_path / "less", features, frames=film, face=lambda split, n: [[1, 2, 3, 4]])
    with pytest.raises(BadInput, match=r"train/000000: has 1 boxes for 3 images"):
        read(tmp_path / "less", media="frames")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (hf.Value("string"), "1 2 3 4"),
        (hf.Value("float32"), 1.0),
        (hf.List(hf.Value("string")), ["1", "2", "3", "4"]),
        (hf.List(hf.List(hf.Value("float32"))), [[1, 2, 3, 4]]),  # of a video: nobody knows of which frame
    ],
    ids=["text", "number", "texts", "several for a video"],
)
def test_a_face_column_that_holds_no_boxes_is_refused(tmp_path: Path, kind: Any, value: Any) -> None:
    save(tmp_path / "set", {"face": kind}, face=lambda split, n: value)
    with pytest.raises(BadInput, match=r"column 'face' is .*, not boxes"):
        read(tmp_path / "set")


def test_a_row_without_a_box_has_none(tmp_path: Path) -> None:
    def face(split: str, n: int) -> list[float] | None:
        return {0: None, 1: [], 2: [float("nan")] * 4}.get(n, [0, 0, 9, 9])

    save(tmp_path / "set", {"face": hf.List(hf.Value("float64"))}, face=face)
    found = scan(adapter(tmp_path / "set"), Train(), Face(max_missing=0.8), Clips())
    assert found.faces["train"] == {"found": 1, "missing": 3}


def test_whole_numbers_are_labels_only_once_their_classes_are_named(tmp_path: Path) -> None:
    features = {"mood": hf.Value("int64"), "label": hf.Value("int64")}
    root = save(tmp_path / "set", features, label=lambda split, n: n % 2)
    for told in ({}, {"label": "label"}):
        with pytest.raises(BadInput, match=r"label is int64: .* cast it with class_encode_column\('label'\)"):
            read(root, **told)
    found = read(root, classes=["sad", "glad"])
    assert {clip.id: clip.label for clip in found.clips if clip.split == "val"} == {
        "val/sad/000000": 0,
        "val/glad/000001": 1,
        "val/sad/000002": 0,
        "val/glad/000003": 1,
    }
    assert read(root, classes=["glad", "sad"]).fingerprint != found.fingerprint


def test_a_number_that_has_no_class_is_named_with_its_row(tmp_path: Path) -> None:
    root = save(tmp_path / "set", {"label": hf.Value("int64")}, label=lambda split, n: n)
    with pytest.raises(BadInput, match=r"train, row 2: label 2 is outside 0\.\.1"):
        read(root, classes=["sad", "glad"], label="label")


def test_rows_without_a_label_or_a_medium_are_counted(tmp_path: Path) -> None:
    save(tmp_path / "set", {}, rows=8, mood=lambda split, n: -1 if n == 7 else n % 2,
         video=lambda split, n: None if n == 0 else medium(split, n))  # fmt: skip
    found = read(tmp_path / "set")
    assert len(found.clips) == 18 and len(found.absent) == 3
    assert {"row-without-label", "label-without-video"} <= notes(found).keys()


def test_splits_of_other_names_are_left_out_and_noted(tmp_path: Path) -> None:
    found = read(save(tmp_path / "set", {}, splits=("train", "val", "test", "unlabelled")))
    assert len(found.clips) == 12 and notes(found)["split-unknown"].endswith("unlabelled")


def test_files_that_the_library_understands_are_read_as_well(tmp_path: Path) -> None:
    saved = hf.load_from_disk(save(tmp_path / "set", {}))
    for split, part in saved.items():
        part.to_parquet(tmp_path / "parquet" / f"{split}.parquet")
    found = read(tmp_path / "parquet")
    assert {clip.split for clip in found.clips} == {"train", "val", "test"}
    assert (found.root / "train/000001.mp4").read_bytes() == MP4 + b"train 1"


def test_media_that_lie_beside_the_set_are_copied(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        for mood in ("glad", "sad"):
            for n in range(2):
                file = tmp_path / "images" / split / mood / f"{n}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(PNG + f"{split} {mood} {n}".encode())
    found = read(tmp_path / "images")
    assert len(found.clips) == 12
    for clip in found.clips:
        split, mood, _ = clip.id.split("/")
        assert (found.root / clip.media).read_bytes().startswith(PNG + f"{split} {mood}".encode())


@given(st.sampled_from([(JPEG, ".jpg"), (PNG, ".png"), (MP4, ".mp4"), (AVI, ".avi")]), st.binary(max_size=64))
@settings(max_examples=10, deadline=None)
def test_a_medium_without_a_name_is_told_by_its_first_bytes(tmp_path_factory: Any, kind: Any, rest: bytes) -> None:
    root = tmp_path_factory.mktemp("set")
    head, extension = kind
    save(root, {}, rows=2, video=lambda split, n: {"bytes": head + rest, "path": None})
    found = read(root)
    assert all(clip.media.endswith(extension) for clip in found.clips)
    assert (found.root / found.clips[0].media).read_bytes() == head + rest


# --- what is refused ----------------------------------------------------------------------------------------------


def test_several_columns_that_might_be_meant_have_to_be_chosen_from(tmp_path: Path) -> None:
    save(tmp_path / "set", {"again": hf.Video(), "arousal": MOODS}, again=medium, arousal=lambda split, n: n // 2)
    with pytest.raises(BadInput, match=r"data\.hf\.media: .*again.* name one of"):
        read(tmp_path / "set", label="mood")
    with pytest.raises(BadInput, match=r"data\.hf\.label: .*arousal.* name one of"):
        read(tmp_path / "set", media="video")
    assert read(tmp_path / "set", media="again", label="arousal").clips


@pytest.mark.parametrize("setting", ["media", "label", "subject_column"])
def test_a_column_that_is_not_there_is_refused_with_the_nearest(tmp_path: Path, setting: str) -> None:
    save(tmp_path / "set", {"person": hf.Value("string")}, person=lambda split, n: f"p{n}{split}")
    with pytest.raises(BadInput, match=rf"data\.hf\.{setting}: 'persom' is no column"):
        read(tmp_path / "set", **{setting: "persom"})


def test_a_set_without_media_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "set", {"video": hf.Value("string")}, video=lambda split, n: "a")
    with pytest.raises(BadInput, match=r"data\.hf\.media: columns that hold videos.*none"):
        read(tmp_path / "set")


def test_splits_that_number_their_classes_differently_are_refused(tmp_path: Path) -> None:
    one = hf.load_from_disk(save(tmp_path / "one", {}))
    other = hf.load_from_disk(save(tmp_path / "other", {"mood": hf.ClassLabel(names=["glad", "sad"])}))
    hf.DatasetDict({"train": one["train"], "test": other["test"]}).save_to_disk(tmp_path / "both")
    with pytest.raises(BadInput, match=r"column 'mood' is .* in test and .* in train"):
        read(tmp_path / "both")


def test_a_class_that_only_test_holds_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "set", {"mood": hf.Value("string")}, mood=lambda split, n: split if n == 0 else f"mood {n % 2}")
    with pytest.raises(BadInput, match="no training clips of test, val, which other splits hold"):
        read(tmp_path / "set", label="mood")


def test_media_of_no_known_kind_are_refused_with_their_row(tmp_path: Path) -> None:
    save(tmp_path / "set", {}, video=lambda split, n: medium(split, n, b"GIF89a" if n == 3 else MP4))
    with pytest.raises(BadInput, match=r"train/000003: begins with b'GIF89a"):
        read(tmp_path / "set")


def test_one_split_alone_is_the_training_split(tmp_path: Path) -> None:
    hf.load_from_disk(save(tmp_path / "set", {}, rows=20))["train"].save_to_disk(tmp_path / "alone")
    found = read(tmp_path / "alone")
    assert {clip.split for clip in found.clips} == {"train", "val"}


def test_a_folder_that_is_not_there_is_not_looked_for_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"data\.hf\.root: no folder"):
        read(tmp_path / "none")


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="can't be loaded: "):
        read(tmp_path / "empty")


def test_a_hub_name_without_a_network_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hf.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BadInput, match=r"nobody/nothing can't be loaded: .* `save_to_disk`"):
        read("nobody/nothing")


def test_lists_beside_the_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"data\.hf\.annotations"):
        read(save(tmp_path / "set", {}), annotations=str(tmp_path))


# --- the cache ----------------------------------------------------------------------------------------------------


def test_a_set_is_laid_out_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "set", {})
    first, again = read(tmp_path / "set"), read(tmp_path / "set")
    assert (first.root, first.fingerprint) == (again.root, again.fingerprint)
    assert capfd.readouterr().err.count("laying out 12 clips") == 1


def test_the_files_of_a_laid_out_set_are_not_taken_for_a_set(tmp_path: Path) -> None:
    laid_out = read(save(tmp_path / "set", {})).root
    with pytest.raises(BadInput, match=rf"only the laid-out form of {tmp_path}/set — give {tmp_path}/set itself"):
        read(laid_out)


def test_another_set_or_other_columns_are_laid_out_anew(tmp_path: Path) -> None:
    features = {"arousal": MOODS}
    save(tmp_path / "set", features, arousal=lambda split, n: n // 2)
    save(tmp_path / "other", features, arousal=lambda split, n: n // 3)
    roots = {read(tmp_path / name, label=label).root for name in ("set", "other") for label in ("mood", "arousal")}
    assert len(roots) == 4


def test_renamed_classes_are_another_set_to_a_run(tmp_path: Path) -> None:
    save(tmp_path / "set", {})
    save(tmp_path / "other", {"mood": hf.ClassLabel(names=["glad", "sad"])})
    assert read(tmp_path / "set").fingerprint != read(tmp_path / "other").fingerprint


def test_a_layout_that_was_cut_off_is_never_taken_for_a_whole_one(
    tmp_path: Path, own_caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "set", {})
    write = Path.write_bytes

    def stop(path: Path, data: bytes) -> int:
        if data.endswith(b"test 2"):
            raise KeyboardInterrupt
        return write(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", stop)
        with pytest.raises(KeyboardInterrupt):
            read(tmp_path / "set")
    assert [path.suffix for path in own_caches.iterdir()] == [".lock"], "what was begun is taken away"
    assert len(read(tmp_path / "set").clips) == 12


def test_a_set_that_this_process_reads_is_not_cleared(tmp_path: Path) -> None:
    root = read(save(tmp_path / "set", {})).root
    for dry_run in (True, False):
        assert cupboard.clear("hf", dry_run=dry_run) == []
    assert (root / "set.json").is_file()


def test_a_set_that_is_being_laid_out_is_not_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "set", {})
    write, cleared = Path.write_bytes, []

    def meanwhile(path: Path, data: bytes) -> int:
        if data.endswith(b"test 2"):
            cleared.extend(cupboard.clear())
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", meanwhile)
    assert len(read(tmp_path / "set").clips) == 12 and cleared == []


def test_a_full_disk_says_where_to_find_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "set", {})

    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BadInput, match=r"No space left on device .*HARNESS_CACHE"):
        read(tmp_path / "set")


def test_listing_the_data_sets_does_not_load_the_library() -> None:
    code = (
        "import sys; from harness import cli; cli.main(['list', 'datasets']); "
        "sys.exit(any(m.split('.')[0] == 'datasets' for m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "hf: a Hugging Face data set" in done.stdout
