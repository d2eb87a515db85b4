"""Lines, tables and labels are read in every form that lists have, and what contradicts itself is named."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import build, lists, write
from reading import adapter

from harness.data.labels import compare_with_folders, first_label
from harness.data.lists import Line, parse_line, read_list, read_table
from harness.errors import BadInput

CLASSES = ("Anger", "Happy", "Sad")
KNOWN = {"anger": 0, "angry": 0, "happy": 1, "sad": 2}


class Book:
    """Keeps what is noted."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, str, str, str, int]] = []

    def __call__(self, *note: object) -> None:
        self.notes.append(note)  # type: ignore[arg-type]


def read(tmp_path: Path, text: str, name: str = "train.txt") -> list[Line]:
    return read_list(write(tmp_path / name, text), Book(), KNOWN)


def compare(*rows: str) -> Book:
    book = Book()
    compare_with_folders([parse_line(row, "x:1", KNOWN) for row in rows], 0, CLASSES, KNOWN, "data.x.first_label", book)
    return book


names = st.text("abc.-_ äß", min_size=1, max_size=12).map(str.strip).filter(bool)
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
gaps = st.sampled_from([" ", "  ", "\t", ", ", ","])


@given(path=paths, frames=st.integers(0, 9999), label=st.integers(0, 99), gap=gaps)
def test_any_line_reads_back_as_it_was_written(path: str, frames: int, label: int, gap: str) -> None:
    line = parse_line(f" {path}{gap}{frames}{gap}{label}\n", "x:1")
    assert (line.path, line.frames, line.label) == (path, frames, label)
    line = parse_line(f"{path}{gap}{label}", "x:1")
    assert (line.path, line.frames, line.label) == (path, 0, label)


@given(path=paths, name=st.sampled_from(["Angry", "anger", "HAPPY"]), gap=gaps)
def test_any_line_with_a_class_for_a_label_reads_back(path: str, name: str, gap: str) -> None:
    line = parse_line(f"{path}{gap}{name}", "x:1", KNOWN)
    assert (line.path, line.label, line.named) == (path, KNOWN[name.casefold()], name)


@given(path=paths, ending=st.sampled_from(["\n", "\r\n", "\r"]), blank=st.integers(0, 3), last=st.booleans())
def test_any_line_ending_gives_the_same_list(tmp_path_factory, path, ending, blank, last) -> None:  # type: ignore[no-untyped-def]
    text = ending * blank + ending.join(f"{path}/{i} 5 {i}" for i in range(3)) + ending * last
    file = write(tmp_path_factory.mktemp("list") / "train.txt", "\ufeff" + text)
    assert [(line.path, line.label, line.where) for line in read_list(file, Book())] == [
        (f"{path}/{i}", i, f"{file}:{i + 1 + blank}") for i in range(3)
    ]


@pytest.mark.parametrize("line", ["train/Anger/0001.avi", "train/a.avi 60 Bored", "train/a.avi 60 -1", "7", "a,"])
def test_a_line_that_cannot_be_read_is_named_with_its_text(tmp_path: Path, line: str) -> None:
    with pytest.raises(BadInput, match=r"train\.txt:2: ") as error:
        read(tmp_path, f"a.avi 60 0\n{line}")
    assert line in str(error.value)
    assert error.value.mend


def test_text_that_is_not_utf8_is_bad_input(tmp_path: Path) -> None:
    file = write(tmp_path / "train.txt", "a.avi 60 0".encode("utf-16"))
    with pytest.raises(BadInput, match=r"train\.txt: is not UTF-8"):
        read_list(file, Book())


def test_tables_say_in_their_header_where_the_columns_are(tmp_path: Path) -> None:
    text = 'label,frames,"video_name"\r\n3,12,"a, b"\r\n1,5,00007\r\n'
    assert [(line.path, line.frames, line.label) for line in read(tmp_path, text, "set_1.csv")] == [
        ("a, b", 12, 3),
        ("00007", 5, 1),
    ]
    assert [line.path for line in read(tmp_path, "video_name,label\n7,1", "set_1.csv")] == ["7"]
    assert [line.label for line in read(tmp_path, "Path\tEmotion\na b/1.png\tSad", "t.txt")] == [2]
    with pytest.raises(BadInput, match=r"set_1\.csv:3: .*cells"):
        read(tmp_path, "video_name,label\n7,1\n8", "set_1.csv")
    with pytest.raises(BadInput, match=r"set_1\.csv:2: can't read"):
        read(tmp_path, "video_name,frames,label\n7,many,1", "set_1.csv")


def test_the_same_clip_in_two_spellings_is_one(tmp_path: Path) -> None:
    assert len(read(tmp_path, "./a/1 0\na//1 0\na\\1 0")) == 1
    with pytest.raises(BadInput, match="'a/1' is 1 here and 0 in"):
        read(tmp_path, "./a/1 0\na/1 1")


def test_labels_start_where_all_of_them_say() -> None:
    def first(*labels: int, told: str = "auto") -> int:
        lines = [Line(f"{n}", 0, n, f"x:{n}") for n in labels]
        return first_label(lines, CLASSES, told, "data.x.first_label", KNOWN)[0]

    assert first(0, 2) == 0
    assert first(2, 3) == 1
    assert first(1, 2, told="1") == 1
    for doubtful in ((1, 2), (0, 3), (4, 5)):
        with pytest.raises(BadInput, match="don't tell their base"):
            first(*doubtful)
    with pytest.raises(BadInput, match=r"x:3: label 3 of '3' is outside 0\.\.2"):
        first(1, 3, told="0")


def test_labels_that_fit_no_start_are_told_with_their_lines_and_folders() -> None:
    rows = [*("t/Anger/1 0", "t/Anger/2 0", "t/Sad/1 2"), *("t/Anger/3 3", "t/Anger/4 3", "t/Happy/1 3"), "t/Sad/2 0"]
    lines = [parse_line(row, f"/x/train.txt:{n}", KNOWN) for n, row in enumerate([*rows, "t/Anger/5 0"], start=40)]
    with pytest.raises(BadInput) as error:
        first_label(lines, CLASSES, "auto", "data.x.first_label", KNOWN)
    assert error.value.where == "/x/train.txt:43" and error.value.mend == "mend these lines"
    assert "3 lines with 3 (train.txt:43–45) beside 4 with 0" in error.value.what
    assert error.value.what.endswith("by their folders they are Anger (2), Happy (1)")


def test_all_labels_out_of_range_are_told_together() -> None:
    lines = [Line(f"c{n}", 0, label, f"/x/test.txt:{n}") for n, label in enumerate((0, 1, 24, 2, 9, 8), start=1)]
    with pytest.raises(BadInput) as error:
        first_label(lines, CLASSES, "auto", "data.x.first_label", KNOWN)
    assert error.value.where == "/x/test.txt:3"
    assert error.value.what == "label 24 of 'c3' is outside 0..2, and so are 2 more: test.txt:5–6"


def test_all_bad_lines_of_a_list_are_told_together(tmp_path: Path) -> None:
    good = [f"a/{n}.avi 60 0" for n in range(10)]
    text = "\n".join([*good[:3], "a.avi 60 Bored", "7", "", *good[3:], "a,"])
    with pytest.raises(BadInput) as error:
        read(tmp_path, text)
    assert error.value.where.endswith("train.txt:4")
    assert error.value.what == "can't read 'a.avi 60 Bored' (and 2 more lines: train.txt:5, train.txt:14)"
    table = write(tmp_path / "t.csv", "ClipID,Level\n1,0\n2\n3,0\n4\n5\n6\n")
    with pytest.raises(BadInput, match=r"t\.csv:3: '2' has 1 cells of 2 \(and 3 more lines: t\.csv:5–7\)"):
        list(read_table(table, ("ClipID", "Level")))


def test_all_contradictions_of_a_list_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"train\.txt:3: 'a' is 1 here and 0 in .*\(and 1 more line: train\.txt:4\)"):
        read(tmp_path, "a 0\nb 0\na 1\nb 2")


def test_a_line_that_lacks_the_column_which_most_have_is_named(tmp_path: Path) -> None:
    rows = ["test/Sad/1.avi 60 2", "test/Sad/2.avi 0 2", "test/Sad/3.avi 1", "test/Sad/4.avi 60 2"]
    with pytest.raises(BadInput, match=r"train\.txt:3: 'test/Sad/3\.avi' has two columns where most .* three"):
        read(tmp_path, "\n".join(rows))
    assert len(read(tmp_path, "\n".join(row for row in rows if "/3" not in row))) == 3


@pytest.mark.parametrize(("sign", "shown"), [(";", "';'"), ("\t", r"'\\t'")])
def test_a_table_with_other_separators_is_called_so(tmp_path: Path, sign: str, shown: str) -> None:
    table = write(tmp_path / "t.csv", f"ClipID{sign}Level\n1{sign}0\n")
    with pytest.raises(BadInput, match=rf"t\.csv:1: the columns are separated by {shown} — save the table with commas"):
        list(read_table(table, ("ClipID", "Level")))


def test_a_list_that_alone_is_shifted_against_its_folders_is_refused(tmp_path: Path) -> None:
    test = next(file for file in lists(build("caer", tmp_path)) if file.stem == "test")
    rows = [row.rsplit(" ", 1) for row in test.read_text().splitlines()]
    test.write_text("\n".join(f"{path} {(int(label) + 1) % 7}" for path, label in rows))
    with pytest.raises(BadInput) as error:
        list(adapter("caer", tmp_path).clips())
    assert error.value.where == str(test)
    assert "all 14 labels are 1 above their class folders" in error.value.what
    assert "the labels of train.txt, validation.txt agree with theirs" in error.value.what


def test_names_and_numbers_do_not_mix() -> None:
    lines = [parse_line(row, f"x:{i}", KNOWN) for i, row in enumerate(("a Sad", "b 2", "c happy"))]
    with pytest.raises(BadInput, match=r"x:1: label '2' of 'b' is a number, most others are not"):
        first_label(lines, CLASSES, "auto", "data.x.first_label", KNOWN)
    assert first_label([lines[0], lines[2]], CLASSES, "auto", "", KNOWN)[0] == 0


def test_labels_that_agree_with_their_folders_are_not_spoken_of() -> None:
    assert compare("train/Angry/1 0", "train/Sad/1 2", "nowhere/1 1").notes == []


def test_a_list_shifted_by_one_is_seen_by_its_folders() -> None:
    ((kind, _, message, mend, count),) = compare("t/Anger/1 1", "t/Happy/1 2", "t/Happy/2 2").notes
    assert (kind, count) == ("label-contradicts-folder", 3)
    assert "All 3 differ by the same step: the list looks shifted by one" in message
    assert "data.x.first_label" in mend


def test_a_list_in_another_order_of_classes_is_seen_by_its_folders() -> None:
    (note,) = compare("t/Anger/1 2", "t/Anger/2 2", "t/Happy/1 1", "t/Sad/1 0").notes
    assert "Anger is 2, Happy is 1, Sad is 0" in note[2]
    assert note[4] == 3


def test_a_few_wrong_labels_are_shown_as_such() -> None:
    (note,) = compare("t/Anger/1 0", "t/Anger/2 1", "t/Happy/1 1", "t/Sad/1 2").notes
    assert note[2].endswith("'t/Anger/2' is labelled Happy in x:1")
    assert note[3] == "mend the lists, or rename the folders"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{'a' * 200_000},1", "a line of 200,002 characters"),
        (f"path,label\na,{'1' * 5_000}", "a number of over 9 digits"),
        ("a 9999999999 1", "a number of over 9 digits"),
    ],
)
def test_lines_and_numbers_without_measure_are_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadInput, match=rf"train\.txt:\d: {told}"):
        read(tmp_path, text)


odd = st.text(st.sampled_from("a1 9,\t\n\r\"'\0-_/.²٣é"), max_size=80) | st.text(max_size=60)


@given(text=odd | odd.map("path,frames,label\n{}".format) | odd.map(lambda text: text * 900))
def test_no_text_breaks_the_reading_of_a_list(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    with contextlib.suppress(BadInput):
        lines = read(tmp_path_factory.mktemp("list"), text)
        assert all(0 <= line.frames < 2**31 and 0 <= line.label < 2**31 for line in lines)
        first_label(lines or [Line("a", 0, 0, "x:1")], CLASSES, "auto", "data.x.first_label", KNOWN)


def test_lists_that_start_at_different_numbers_are_told_apart(tmp_path: Path) -> None:
    train = next(file for file in lists(build("caer", tmp_path)) if file.stem == "train")
    rows = [row.rsplit(" ", 1) for row in train.read_text().splitlines()]
    train.write_text("\n".join(f"{path} {int(label) + 1}" for path, label in rows))
    for told in ("auto", "0", "1"):
        with pytest.raises(BadInput, match=r"train\.txt is 1\.\.7, .*test\.txt is 0\.\.6") as error:
            list(adapter("caer", tmp_path, first_label=told).clips())
        assert "first_label" not in error.value.mend
