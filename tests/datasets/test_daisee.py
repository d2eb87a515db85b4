"""DAiSEE is read from its tables, whichever affect is learnt and in whichever form its clips lie."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from layouts import HEADER, build, folder, write
from reading import adapter, labels, notes, read, read_built

from harness.errors import BadInput

FIRST = "Test/310000/3100001000"


def test_daisee_is_read_from_its_tables_by_person(tmp_path: Path) -> None:
    found = read_built("daisee", tmp_path)
    assert Counter(clip.split for clip in found.clips) == {"train": 8, "val": 8, "test": 8}
    clip = found.clips[0]
    assert (clip.id, clip.subject, clip.label) == (FIRST, "310000", 0)
    assert clip.media == "DataSet/Test/310000/3100001000/3100001000.avi"
    assert not found.has_boxes
    assert found.faces["test"] == {"found": 0, "missing": 8}
    assert notes(found)["lists-unused"].message == "not read: AllLabels.csv"


@pytest.mark.parametrize(("affect", "label"), [("boredom", 1), ("engagement", 0), ("confusion", 2), ("frustration", 3)])
def test_any_of_the_four_affects_is_learnt(tmp_path: Path, affect: str, label: int) -> None:
    assert labels(read_built("daisee", tmp_path, affect=affect))[FIRST] == label


def test_each_affect_has_its_own_sentences(tmp_path: Path) -> None:
    affects = ("boredom", "engagement", "confusion", "frustration")
    assert len({text for affect in affects for text in adapter("daisee", tmp_path, affect=affect).descriptions()}) == 16


def test_daisee_copies_differ_in_form(tmp_path: Path) -> None:
    build("daisee", tmp_path)
    home = tmp_path / "DataSet/Train/110000"
    (home / "1100001000/1100001000.avi").rename(home / "1100001000/1100001000.mp4")
    (home / "1100001004/1100001004.avi").unlink()
    folder(home, "1100001004/frames")
    home = tmp_path / "DataSet/Train/110001"
    (home / "1100011001/1100011001.avi").unlink()
    folder(home, "1100011001")
    (home / "1100011005/1100011005.avi").rename(home / "1100011005.avi")
    (home / "1100011005").rmdir()
    home = tmp_path / "DataSet/Train/110002"
    (home / "1100021002").rename(home / "1100021999")
    found = read("daisee", tmp_path)
    media = {clip.id: clip.media.split("/", 3)[-1] for clip in found.clips}
    assert media["Train/110000/1100001000"] == "1100001000/1100001000.mp4"
    assert media["Train/110000/1100001004"] == "1100001004/frames"
    assert media["Train/110001/1100011001"] == "1100011001"
    assert media["Train/110001/1100011005"] == "1100011005.avi"
    assert "Train/110002/1100021002" not in media
    assert "1100021002" in notes(found)["label-without-video"].message
    assert "1100021999" in notes(found)["video-without-label"].message


def test_the_split_folders_and_tables_may_be_called_otherwise(tmp_path: Path) -> None:
    build("daisee", tmp_path)
    clean = labels(read("daisee", tmp_path))
    for split in ("Train", "Validation", "Test"):
        (tmp_path / "DataSet" / split).rename(tmp_path / "DataSet" / split.lower())
        (tmp_path / f"Labels/{split}Labels.csv").rename(tmp_path / f"Labels/{split.lower()}_labels.csv")
    (tmp_path / "DataSet").rename(tmp_path / "Dataset")
    assert labels(read("daisee", tmp_path)) == clean


@pytest.mark.parametrize("affect", ["engagement", "confusion"])
def test_a_table_that_counts_from_one_is_told_as_a_whole_whichever_level_is_learnt(affect, tmp_path: Path) -> None:
    table = build("daisee", tmp_path) / "Labels/TestLabels.csv"
    rows = [row.split(",") for row in table.read_text().splitlines()]
    shifted = [",".join([clip, b, str(int(e) + 1), *rest]) for clip, b, e, *rest in rows[1:]]
    write(table, "\n".join([HEADER, *shifted]))
    with pytest.raises(BadInput) as error:
        read("daisee", tmp_path, affect=affect)
    assert error.value.where == str(table)
    assert error.value.what == "Engagement is 4 in 2 of 8 rows and 0 in none: this table counts from 1"
    assert "subtract 1 in each of its four columns" in error.value.mend


def test_all_wrong_levels_and_rounded_ids_are_told_together(tmp_path: Path) -> None:
    table = build("daisee", tmp_path) / "Labels/TestLabels.csv"
    clean = table.read_text().rstrip("\r\n")
    write(table, f"{clean}\n1,0,4,0,0\n2,0,5,0,0\n3,0,,0,0")
    with pytest.raises(BadInput, match=r"TestLabels\.csv:10: Engagement of 1 is '4' \(and 2 more lines: .*:11–12\)"):
        read("daisee", tmp_path)
    write(table, f"{clean}\n1.12E+09,0,3,0,0")
    with pytest.raises(BadInput, match=r":10: clip '1\.12E\+09' was rounded by a spreadsheet"):
        read("daisee", tmp_path)


def test_bad_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no label tables"):
        read("daisee", tmp_path)
    table = build("daisee", tmp_path) / "Labels/TrainLabels.csv"
    clean = table.read_text()
    write(table, clean.replace(HEADER, HEADER.replace("Engagement", "Engaged")))
    with pytest.raises(BadInput, match=r"TrainLabels\.csv:1: no column 'Engagement' .*Engaged"):
        read("daisee", tmp_path)
    for row, where in (
        ("1100001000.avi,0,4,0,0", "is '4'"),
        ("1100001000.avi,0", "cells"),
        ("1100001000.avi,0,3,0,0", "here"),
    ):
        write(table, clean + row)
        with pytest.raises(BadInput, match=rf"TrainLabels\.csv:10: .*{where}"):
            read("daisee", tmp_path)
    write(table, clean)
    write(table.with_name("train.csv"), clean)
    with pytest.raises(BadInput, match=r"several tables for one split: TrainLabels\.csv, train\.csv"):
        read("daisee", tmp_path)
