"""A folder of one's own is read without code, and its classes are never guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.clips import Scan
from harness.data.scan import scan
from harness.datasets.folder import Folder
from harness.errors import BadInput
from harness.protocol import Clips, Face, Train
from harness.settings import parse


def adapter(root: Path, **settings: Any) -> Folder:
    return Folder(parse(Folder.Settings, settings, "data.folder"), root)


def read(root: Path, **settings: Any) -> Scan:
    return scan(adapter(root, **settings), Train(), Face(), Clips())


def make(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"media")
    return root


def tree(root: Path, splits: tuple[str, ...] = ("train", "val", "test"), classes: tuple[str, ...] = ("b", "a")) -> Path:
    return make(root, *(f"{split}/{name}/{n}.mp4" for split in splits for name in classes for n in range(2)))


def labels(found: Scan) -> dict[str, int]:
    return {clip.id: clip.label for clip in found.clips}


def notes(found: Scan) -> dict[str, str]:
    return {note.kind: note.mend for note in found.notes}


# --- trees of class folders ---------------------------------------------------------------------------------------


def test_the_classes_are_the_class_folders_in_natural_order(tmp_path: Path) -> None:
    tree(tmp_path, classes=("level 10", "level 9", "level 1"))
    assert adapter(tmp_path).classes == ("level 1", "level 9", "level 10")
    assert labels(read(tmp_path))["test/level 9/0"] == 1


def test_the_user_may_order_the_classes(tmp_path: Path) -> None:
    tree(tmp_path)
    assert labels(read(tmp_path, classes=["b", "a"]))["train/b/0"] == 0
    assert labels(read(tmp_path))["train/b/0"] == 1


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Validation"])
def test_a_validation_folder_may_be_called_in_any_usual_way(tmp_path: Path, name: str) -> None:
    found = read(tree(tmp_path, splits=("train", name, "test")))
    assert {clip.split for clip in found.clips if clip.id.startswith(name)} == {"val"}


def test_a_clip_is_a_video_a_folder_of_frames_or_an_image(tmp_path: Path) -> None:
    tree(tmp_path, splits=("val", "test"))
    make(tmp_path, "train/a/1.avi", "train/a/film/1.jpg", "train/a/film/2.jpg", "train/b/1.png", "train/b/2.png")
    media = [clip.media for clip in read(tmp_path).clips if clip.split == "train"]
    assert media == ["train/a/1.avi", "train/a/film", "train/b/1.png", "train/b/2.png"]


@pytest.mark.parametrize("path", ["train/a/film/1.jpg", "train/a/1.mp4", "train/a/person/film/1.jpg"])
def test_images_beside_films_are_refused_as_nobody_knows_which_are_the_clips(tmp_path: Path, path: str) -> None:
    make(tmp_path, path, "train/a/thumbnail.PNG", "train/b/1.mp4", "test/a/1.mp4")
    with pytest.raises(BadInput, match=r"train/a: holds images \(thumbnail\.PNG"):
        read(tmp_path)


def test_hidden_folders_are_no_classes(tmp_path: Path) -> None:
    make(tree(tmp_path), "train/.cache/1.mp4", "train/__MACOSX/1.mp4", "test/.cache/1.mp4")
    assert adapter(tmp_path).classes == ("a", "b") and len(read(tmp_path).clips) == 12


def test_a_class_that_only_test_holds_is_refused(tmp_path: Path) -> None:
    make(tree(tmp_path), "test/c/1.mp4")
    with pytest.raises(BadInput, match=r"test/c: is no class"):
        read(tmp_path)


def test_a_class_whose_training_folder_is_empty_is_refused(tmp_path: Path) -> None:
    make(tree(tmp_path), "test/c/1.mp4")
    (tmp_path / "train/c").mkdir()
    with pytest.raises(BadInput, match="no training clips of c, which other splits hold"):
        read(tmp_path)


def test_a_class_without_any_clip_is_noted_as_a_problem(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "train/c").mkdir()
    assert notes(read(tmp_path))["class-empty"]


def test_a_class_that_train_lacks_is_refused_with_the_nearest_folder(tmp_path: Path) -> None:
    tree(tmp_path, classes=("happy", "sad"))
    with pytest.raises(BadInput, match=r"data\.folder\.classes: no folder of train is called 'hapy' .*mean happy"):
        read(tmp_path, classes=["hapy", "sad"])


def test_a_folder_that_the_users_classes_leave_out_is_refused(tmp_path: Path) -> None:
    tree(tmp_path, classes=("a", "b", "c"))
    with pytest.raises(BadInput, match="c: is no class"):
        read(tmp_path, classes=["a", "b"])


def test_two_spellings_of_a_class_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="two classes are called 'happy'"):
        adapter(tree(tmp_path, classes=("Happy", "happy")))


@pytest.mark.parametrize("paths", [(), ("train/1.mp4",), ("clips/a/1.mp4",), ("train/a/1.mp4",)])
def test_a_root_without_two_classes_is_refused(tmp_path: Path, paths: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match=r"holds [01] classes"):
        adapter(make(tmp_path, *paths))


def test_a_root_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        adapter(tmp_path / "none")


def test_the_person_is_read_off_the_path(tmp_path: Path) -> None:
    tree(tmp_path)
    found = read(tmp_path, subject=r"/(\d)\.mp4")
    assert {clip.subject for clip in found.clips} == {"0", "1"} and "subject-leak" in notes(found)


def test_boxes_are_found_as_for_any_set(tmp_path: Path) -> None:
    tree(tmp_path)
    keys = (f"{split}/{name}/{n}" for split in ("train", "val", "test") for name in "ab" for n in range(2))
    boxes = ", ".join(f'"{key}": [1, 2, 30, 40]' for key in keys)
    (tmp_path / "faces.json").write_text("{" + boxes + "}")
    assert all(clip.face == {"": (1, 2, 30, 40)} for clip in read(tmp_path).clips)


# --- lists --------------------------------------------------------------------------------------------------------


def listed(root: Path, numbers: dict[str, int | str], path: str = "{split}/{name}/{n}.mp4") -> Path:
    for split in ("train", "val", "test"):
        lines = [f"{path.format(split=split, name=name, n=n)} {numbers[name]}" for name in numbers for n in range(2)]
        make(root, *(line.split(" ")[0] for line in lines))
        (root / f"{split}.txt").write_text("\n".join(lines))
    return root


@given(st.permutations(["a", "b", "c"]), st.sampled_from([0, 1]))
def test_lists_tell_the_order_of_the_classes(tmp_path_factory: Any, order: list[str], first: int) -> None:
    root = listed(tmp_path_factory.mktemp("set"), {name: first + label for label, name in enumerate(order)})
    found = read(root)
    assert adapter(root).classes == tuple(order)
    assert {clip.id.split("/")[1]: clip.label for clip in found.clips} == {n: i for i, n in enumerate(order)}
    assert "label-contradicts-folder" not in notes(found)


def test_lists_may_write_the_classes_names(tmp_path: Path) -> None:
    assert labels(read(listed(tmp_path, {"sad": "sad", "glad": "Glad"})))["train/sad/1"] == 1


@pytest.mark.parametrize("numbers", [{"a": 0, "b": 0}, {"a": 0, "b": 2}])
def test_lists_that_leave_the_classes_in_doubt_are_refused(tmp_path: Path, numbers: dict[str, int | str]) -> None:
    with pytest.raises(BadInput, match=r"name the classes in label order: data\.folder\.classes"):
        adapter(listed(tmp_path, numbers))


def test_the_user_names_the_classes_of_lists_whose_paths_do_not(tmp_path: Path) -> None:
    listed(tmp_path, {"a": 0, "b": 1}, path="{split}/{name}{n}.mp4")
    with pytest.raises(BadInput, match=r"data\.folder\.classes"):
        adapter(tmp_path)
    found = read(tmp_path, classes=["calm", "angry"])
    assert labels(found)["train/b1"] == 1


# --- prompts ------------------------------------------------------------------------------------------------------


def test_prompts_made_from_bare_names_are_noted_as_a_problem(tmp_path: Path) -> None:
    tree(tmp_path, classes=("very_happy", "Sad"))
    mend = notes(read(tmp_path))["descriptions-made"]
    assert mend.endswith("[data.folder.descriptions]")
    assert adapter(tmp_path).descriptions() == (
        "a face and a scene that show sad",
        "a face and a scene that show very happy",
    )


def test_the_users_sentences_are_the_prompts(tmp_path: Path) -> None:
    told = {"b": "a broad smile", "a": "a deep frown"}
    assert adapter(tree(tmp_path), descriptions=told).descriptions() == ("a deep frown", "a broad smile")
    assert "descriptions-made" not in notes(read(tmp_path, descriptions=told))


@pytest.mark.parametrize("told", [{"a": "a frown"}, {"a": "a frown", "b": "a smile", "c": "a yawn"}])
def test_sentences_for_other_classes_than_there_are_are_refused(tmp_path: Path, told: dict[str, str]) -> None:
    with pytest.raises(BadInput, match=r"data\.folder\.descriptions"):
        adapter(tree(tmp_path), descriptions=told).descriptions()
