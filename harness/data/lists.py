"""Reads annotation lists and tables as they really are: CRLF, blanks, headers, duplicates, lines that are spoilt.

A list is read to its end before anything in it is refused, and all its bad lines are told together. Which files the
lists are stands in `listfiles`, what their labels mean in `labels`, where their clips lie in `paths`.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness.data.paths import Noting, plain
from harness.errors import BadInput, nearest
from harness.words import plural, some

T = TypeVar("T")
_WORD = re.compile(r"[^\s,]+")
_MOST_BYTES = 256 << 20  # of one list; a million lines with long paths have half of that
_LONGEST = 10_000  # characters of a line; the longest paths have 4,096
_DIGITS = 9  # of a number of frames, or a label
_COLUMNS = {  # what tables call the columns of a list
    "path": ("path", "video_name", "video", "clip", "name", "file", "file_name", "filename", "image"),
    "frames": ("frames", "num_frames", "n_frames", "frame_count"),
    "label": ("label", "class", "emotion"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a list: the path as written, the frames it claims (0: none given), the label as written."""

    path: str
    frames: int
    label: int  # of a named one: its position among the classes
    where: str  # file:line
    named: str = ""  # the label, where it is written as a name
    counted: bool = False  # it has a column of frames

    @property
    def written(self) -> str:
        return self.named or str(self.label)


def parse_line(text: str, where: str, classes: Mapping[str, int] | None = None) -> Line:
    """`path frames label` or `path label`; a path may hold spaces, a label may be one of the `classes`' names.

    Only one form is ambiguous: `a path 12 3` without a frames column reads as path `a path`, 12 frames.
    """
    text = text.strip()
    words = list(_WORD.finditer(text))  # and no pattern for the whole line, which can take time by its length squared
    if len(words) < 2 or words[0].start() or words[-1].end() < len(text):
        raise BadInput(where, f"can't read {text!r}", "write `path frames label` or `path label`")
    counted = len(words) > 2 and re.fullmatch("[0-9]+", words[-2][0])
    frames = words[-2][0] if counted else ""
    return _line(text[: words[-3 if counted else -2].end()], frames, words[-1][0], where, text, classes or {})


def read_list(file: Path, note: Noting, classes: Mapping[str, int] | None = None) -> list[Line]:
    """All lines of a list. Repeated lines count once, and are noted; contradicting ones are an error."""
    lines = _lines(file, classes or {})
    _refuse_ragged(lines)
    return once(
        lines, lambda line: plain(line.path), lambda line: line.written, lambda line: line.where, str(file), note
    )


def read_table(file: Path, columns: Sequence[str], also: Sequence[str] = ()) -> Iterator[tuple[str, dict[str, str]]]:
    """`file:line` and the named columns of a CSV table, with those of `also` that are there.

    Blanks around header cells and values don't matter.
    """
    rows = list(_numbered(file))
    if not rows:
        return
    header, wanted = _cells(*rows[0]), {}
    for column in columns:
        if column not in header:
            other = next((sign for sign in ";\t" if len(header) == 1 and sign in header[0]), "")
            if other:
                raise BadInput(rows[0][0], f"the columns are separated by {other!r}", "save the table with commas")
            raise BadInput(rows[0][0], f"no column {column!r}", nearest(column, header))
        wanted[column] = header.index(column)
    wanted |= {column: header.index(column) for column in also if column in header}

    def read(where: str, text: str) -> tuple[str, dict[str, str]]:
        row = _cells(where, text)
        if len(row) < len(header):
            raise BadInput(where, f"{text!r} has {len(row)} cells of {len(header)}", "complete the line")
        return where, {column: row[index] for column, index in wanted.items()}

    yield from _each(rows[1:], read)


def places(wheres: Iterable[str]) -> str:
    """Where lines stand, `train.txt:41–50, test.txt:3, …`: those in a row as one."""
    rows: list[tuple[str, int, int]] = []  # file, first line, last line
    for where in wheres:
        file, _, number = where.rpartition(":")
        row = (os.path.basename(file), int(number), int(number))
        if rows and rows[-1][0] == row[0] and rows[-1][2] + 1 == row[1]:
            row = (row[0], rows.pop()[1], row[2])
        rows.append(row)
    return some(f"{file}:{first}" + (f"–{last}" if last > first else "") for file, first, last in rows)


def refuse(errors: Sequence[BadInput]) -> None:
    """Raises what is wrong with several lines as one: the first, how many others there are, and where."""
    if errors:
        first, others = errors[0], errors[1:]
        more = f" (and {plural(len(others), 'more line')}: {places(e.where for e in others)})" if others else ""
        raise BadInput(first.where, first.what + more, first.mend)


def once(
    items: Iterable[T],
    key: Callable[[T], str],
    value: Callable[[T], object],
    where: Callable[[T], str],
    file: str,
    note: Noting,
) -> list[T]:
    """The items without repetitions of a key; the same key with another value is an error."""
    kept: dict[str, T] = {}
    repeated, contrary = [], []
    for item in items:
        before = kept.setdefault(key(item), item)
        if before is item:
            continue
        if value(before) != value(item):
            what = f"{key(item)!r} is {value(item)} here and {value(before)} in {where(before)}"
            contrary.append(BadInput(where(item), what, "keep the right one of the two lines"))
        repeated.append(where(item))
    refuse(contrary)
    if repeated:
        note("duplicate-line", file, f"repeated lines count once: {places(repeated)}", "", len(repeated))
    return list(kept.values())


def _lines(file: Path, classes: Mapping[str, int]) -> list[Line]:
    rows = list(_numbered(file))
    between = "\t" if rows and "\t" in rows[0][1] else ","
    columns = _header(_cells(*rows[0], between)) if rows else {}
    if not columns:
        return _each(rows, lambda where, text: parse_line(text, where, classes))

    def read(where: str, text: str) -> Line:
        row = _cells(where, text, between)
        if len(row) <= max(columns.values()):
            raise BadInput(where, f"{text!r} has {len(row)} cells, fewer than the header", "complete the line")
        told = {name: row[index] for name, index in columns.items()}
        return _line(told["path"], told.get("frames", ""), told["label"], where, text, classes)

    return _each(rows[1:], read)


def _each(rows: Iterable[tuple[str, str]], read: Callable[[str, str], T]) -> list[T]:
    """What `read` makes of every row; those that it refuses are refused together."""
    found, errors = [], []
    for where, text in rows:
        try:
            found.append(read(where, text))
        except BadInput as error:
            errors.append(error)
    refuse(errors)
    return found


def _refuse_ragged(lines: Sequence[Line]) -> None:
    """A few lines without the column of frames that most have: what looks like a label there may be the frames."""
    bare = [line for line in lines if not line.counted]
    if 0 < 2 * len(bare) < len(lines):
        what = "has two columns where most lines have three: is the label missing?"
        refuse([BadInput(line.where, f"{line.path!r} {what}", "complete the line") for line in bare])


def _cells(where: str, text: str, between: str = ",") -> list[str]:
    """The cells of one line of a table: a stray quote spoils its own line only."""
    try:
        return [cell.strip() for cell in next(csv.reader([text], delimiter=between))]
    except csv.Error as error:
        raise BadInput(where, f"can't be read as a line of a table: {error}", "mend the line") from error


def _header(cells: Sequence[str]) -> dict[str, int]:
    """Where the columns of a list stand, if these cells are the header of a table."""
    cells = [cell.casefold() for cell in cells]
    found = {name: cells.index(word) for name, words in _COLUMNS.items() for word in reversed(words) if word in cells}
    return found if {"path", "label"} <= found.keys() else {}


def _line(path: str, frames: str, label: str, where: str, text: str, classes: Mapping[str, int]) -> Line:
    if not path or not re.fullmatch("[0-9]*", frames):
        raise BadInput(where, f"can't read {text!r}", "write `path frames label` or `path label`")
    if re.fullmatch("-[0-9]+", label):
        raise BadInput(where, f"label {label} in {text!r}", "labels start at 0 or at 1")
    if max(len(frames), len(label) if label.isdigit() else 0) > _DIGITS:
        raise BadInput(where, f"a number of over {_DIGITS} digits in {text!r:.80}", "mend the line")
    if label.isascii() and label.isdigit():
        return Line(path, int(frames or 0), int(label), where, counted=bool(frames))
    if label.casefold() not in classes:
        mend = f"write `path frames label` or `path label`; {nearest(label, classes)}" if classes else ""
        raise BadInput(where, f"can't read {text!r}", mend or "write `path frames label` or `path label`")
    return Line(path, int(frames or 0), classes[label.casefold()], where, label, bool(frames))


def _numbered(file: Path) -> Iterator[tuple[str, str]]:
    """`file:line` and text of every line that isn't blank."""
    try:
        size = file.stat().st_size
        if size > _MOST_BYTES:
            raise BadInput(str(file), f"has {size:,} bytes, more than the {_MOST_BYTES:,} of any list", "is it a list?")
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(str(file), f"is not UTF-8 text ({error.reason})", "save it as UTF-8") from error
    except OSError as error:
        raise BadInput(str(file), f"can't be read: {error.strerror}", "check the path and its rights") from error
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        if len(line) > _LONGEST:
            raise BadInput(f"{file}:{number}", f"a line of {len(line):,} characters", "is it a list? mend the line")
        if line.strip():
            yield f"{file}:{number}", line.strip()
