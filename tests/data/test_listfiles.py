"""The lists of a set are found by their names, among those of other sets, and never chosen between by luck."""

from __future__ import annotations

from pathlib import Path

import pytest
from layouts import write

from harness.data.listfiles import Names, choose, find, own_files
from harness.errors import BadInput

SPLITS = {"train": "train", "validation": "val", "val": "val", "test": "test"}


def chosen(root: Path, *files: str, fold: str = "", name: str = "dfew", unused: str = "") -> dict[str, str]:
    for file in files:
        write(root / file, "a 0")
    said: list[str] = []
    names = Names((name,), ("dfew", "mafw", "caer", "caer-s"), SPLITS, 5 if fold else 0, "data.x.annotations")
    found = choose(root, names, fold, lambda *note: said.append(note[2]))
    assert "".join(said) == (f"not read: {unused}" if unused else "")
    return {split: str(file.relative_to(root)) for split, file in found.items()}


def test_plain_names_win_and_parts_of_a_split_are_never_taken(tmp_path: Path) -> None:
    files = ("train.txt", "train_small.txt", "my_train.txt", "validation.csv", "notes.txt")
    expected = {"train": "train.txt", "val": "validation.csv"}
    assert chosen(tmp_path, *files, unused="my_train.txt, train_small.txt") == expected


def test_a_part_alone_is_no_list(tmp_path: Path) -> None:
    assert chosen(tmp_path, "train_small.txt", unused="train_small.txt") == {}


def found(root: Path, *files: str) -> tuple[list[str], list[str]]:
    for file in files:
        write(root / file, "a 0")
    said: list[str] = []
    names = Names(("caer",), (), SPLITS, 0, "data.caer.annotations")
    lists = find(
        [root, root / "annotations", root.parent / "annotations"], root, names, "", lambda *n: said.append(n[2])
    )
    return [str(file.relative_to(root)) for file in lists.values()], said


def test_lists_that_hide_others_of_the_copy_are_told_of(tmp_path: Path) -> None:
    root = tmp_path / "CAER"
    write(tmp_path / "annotations/train.txt", "of another set, perhaps")
    lists, said = found(root, "train.txt", "test.txt", "annotations/train.txt", "annotations/val.txt")
    assert lists == ["train.txt", "test.txt"]
    both = f"train.txt, test.txt in {root} and train.txt, val.txt in {root}/annotations"
    assert said == [f"there are {both}: those in {root} are read"]


def test_a_stray_list_that_hides_the_training_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BadInput, match=r"there are test\.txt in .* and train\.txt in .*annotations — .*data\.caer\.ann"
    ):
        found(tmp_path / "CAER", "test.txt", "annotations/train.txt")


@pytest.mark.parametrize("name", ["RAER_train.txt", "train_All.csv", "train-labels.txt", "TRAIN.TXT", "train_list.txt"])
def test_a_name_may_say_more_than_the_split(tmp_path: Path, name: str) -> None:
    assert chosen(tmp_path, name) == {"train": name}


def test_among_lists_of_several_sets_the_own_name_wins(tmp_path: Path) -> None:
    files = ("DFEW_train.txt", "MAFW_train.txt", "train.txt", "MAFW_test.txt", "caer_s_validation.txt")
    assert chosen(tmp_path, *files, unused="train.txt") == {"train": "DFEW_train.txt"}
    assert chosen(tmp_path, name="caer-s", unused="train.txt") == {"val": "caer_s_validation.txt"}


def test_another_sets_lists_alone_are_not_ours(tmp_path: Path) -> None:
    assert chosen(tmp_path, "MAFW_train.txt", "caer_s_test.txt") == {}


def test_two_lists_for_one_split_are_not_chosen_between(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"several lists for one split: set_1_train\.txt, set_2_train\.txt"):
        chosen(tmp_path, "set_1_train.txt", "set_2_train.txt")
    with pytest.raises(BadInput, match=r"several lists .* train\.csv, train\.txt"):
        chosen(tmp_path / "forms", "train.txt", "train.csv")


@pytest.mark.parametrize(
    "form",
    [
        "DFEW_set_{}_{}.txt",
        "set{}_{}.csv",
        "{1}_fold_{0}.txt",
        "fold{}/{}.txt",
        "{1}(single-labeled)/set_{0}.csv",
        "set_{}/{}_All.csv",
    ],
)
def test_a_fold_is_named_by_the_list_or_its_folder(tmp_path: Path, form: str) -> None:
    files = [form.format(fold, split) for fold in (1, 2, 3) for split in ("train", "test")]
    assert chosen(tmp_path, *files, fold="2") == {s: form.format(2, s) for s in ("train", "test")}
    with pytest.raises(BadInput, match="no lists of fold 5; there are folds 1, 2, 3"):
        chosen(tmp_path, fold="5")


def test_lists_that_name_no_fold_are_not_taken_for_each(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"name no fold: test\.txt, train\.txt"):
        chosen(tmp_path, "train.txt", "test.txt", fold="1")


def test_box_files_of_other_sets_are_left_alone() -> None:
    files = [Path("caer_faces.json"), Path("caer_s_faces.json"), Path("faces.json")]
    assert own_files(files, ["caer-s"], ["caer"]) == files[1:2]
    assert own_files(files, ["caer"], ["caer-s"]) == files[:1]
    assert own_files(files, ["raer"], ["caer", "caer-s"]) == files[2:]
    assert own_files(files[:2], ["raer"], ["caer", "caer-s"]) == []
