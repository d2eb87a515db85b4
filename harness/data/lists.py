"""Reads annotation lists as they really are: other machines' paths, 1-based labels, CRLF, blanks, duplicates.

Each question that one line can't answer (where do labels start? are they names? do they agree with the folders?)
is decided over all lists of a set together and reported. Which files the lists are stands in `listfiles`, where
their clips lie in `paths`.
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness.data.paths import Noting, plain
from harness.errors import BadInput, nearest

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
    lines = list(_lines(file, classes or {}))
    return once(lines, lambda line: plain(line.path), _label, lambda line: line.where, str(file), note)


def read_table(file: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """`file:line` and the named columns of a CSV table; blanks around header cells and values don't matter."""
    rows = list(_numbered(file))
    if not rows:
        return
    header, wanted = _cells(*rows[0]), {}
    for column in columns:
        if column not in header:
            raise BadInput(rows[0][0], f"no column {column!r}", nearest(column, header))
        wanted[column] = header.index(column)
    for where, text in rows[1:]:
        row = _cells(where, text)
        if len(row) < len(header):
            raise BadInput(where, f"{text!r} has {len(row)} cells of {len(header)}", "complete the line")
        yield where, {column: row[index] for column, index in wanted.items()}


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
    repeated = []
    for item in items:
        before = kept.setdefault(key(item), item)
        if before is item:
            continue
        if value(before) != value(item):
            what = f"{key(item)!r} is {value(item)} here and {value(before)} in {where(before)}"
            raise BadInput(where(item), what, "keep the right one of the two lines")
        repeated.append(where(item))
    if repeated:
        note("duplicate-line", file, f"repeated lines count once: {', '.join(repeated[:3])}", "", len(repeated))
    return list(kept.values())


def first_label(lines: Sequence[Line], classes: int, told: str, setting: str) -> tuple[int, str]:
    """Whether labels start at 0 or 1, and why: decided over all lists together, unless `told`.

    A label is never shifted by a guess: where the labels fit both or neither, the user has to say.
    """
    if any(line.named for line in lines):
        _refuse_mixture(lines)
        return 0, "they are written as names"
    low, high = min(lines, key=lambda line: line.label), max(lines, key=lambda line: line.label)
    if told == "auto":
        if low.label == 0 and high.label != classes:
            first, why = 0, "a label 0 occurs"
        elif low.label >= 1 and high.label == classes:
            first, why = 1, f"labels go up to {classes} and 0 never occurs"
        else:
            what = f"labels from {low.label} to {high.label} ({low.where}) with {classes} classes don't tell their base"
            raise BadInput(high.where, what, f"mend the list, or set {setting} to 0 or 1")
    else:
        first, why = int(told), f"{setting} says so"
    for line in (low, high):
        if not 0 <= line.label - first < classes:
            what = f"label {line.label} of {line.path!r} is outside {first}..{first + classes - 1}"
            raise BadInput(line.where, what, f"mend the line, or {setting}")
    return first, why


def refuse_other_bases(lists: Iterable[Sequence[Line]], classes: int) -> None:
    """Refuses lists that start their labels at different numbers: no one setting could put them right."""
    spans, bases, where = [], set(), ""
    for part in (part for part in lists if part and not any(line.named for line in part)):
        low, high = min(line.label for line in part), max(line.label for line in part)
        where = part[0].where.rpartition(":")[0]
        spans.append(f"{os.path.basename(where)} is {low}..{high}")
        bases |= {0} if low == 0 and high < classes else set()
        bases |= {1} if low == 1 and high == classes else set()
    if len(bases) > 1:
        what = f"the lists start their labels at different numbers: {', '.join(spans)}"
        raise BadInput(os.path.dirname(where), what, "write the labels of all lists from the same number on")


def compare_splits(
    paths: Sequence[str], splits: Sequence[str], known: Mapping[str, str], where: str, note: Noting
) -> None:
    """Notes clips whose folder names another split (`known`) than their list.

    Lists may draw their own: the validation images of the common CAER-S lists lie under `train/`.
    """
    folders = (known.get(path.split("/", 1)[0].casefold()) for path in paths)
    told = zip(paths, splits, folders, strict=True)
    other = [f"{path} is {split}" for path, split, folder in told if folder and folder != split]
    if other:
        message = f"the lists decide, though the folder names another split: {', '.join(other[:3])}"
        note("split-by-list", where, message, "", len(other))


def compare_with_folders(
    lines: Sequence[Line], first: int, classes: Sequence[str], known: Mapping[str, int], setting: str, note: Noting
) -> None:
    """Notes the labels that contradict the class folder in their path; the list is believed all the same.

    A list that is shifted by one, or orders the classes otherwise, reads without an error: this is how to see it.
    """
    labels = [(line, line.label - first, _folder_label(line.path, known)) for line in lines]
    told = [(line, label, folder) for line, label, folder in labels if folder is not None]
    wrong = [(line, label, folder) for line, label, folder in told if label != folder]
    if not wrong:
        return
    some = "; ".join(f"{line.path!r} is labelled {classes[label]} in {line.where}" for line, label, _ in wrong[:3])
    message, mend = f"the list says another class than the folder: {some}", "mend the lists, or rename the folders"
    shifts = {(label - folder) % len(classes) for _, label, folder in told}
    by_folder = defaultdict(set)
    for _, label, folder in told:
        by_folder[folder].add(label)
    order = {folder: next(iter(of)) for folder, of in by_folder.items() if len(of) == 1}
    if len(shifts) == 1 and shifts & {1, len(classes) - 1}:
        message += f". All {len(told)} differ by the same step: the list looks shifted by one"
        mend = f"check where its labels start ({setting})"
    elif len(order) == len(by_folder) == len(set(order.values())) > 1:
        pairs = ", ".join(f"{classes[folder]} is {label + first}" for folder, label in sorted(order.items()))
        message += f". Each folder has one label of its own ({pairs}): the list seems to order the classes otherwise"
        mend = "number the labels in the order of the classes, or rename the folders if the list is right"
    note("label-contradicts-folder", wrong[0][0].where, message, mend, len(wrong))


def _lines(file: Path, classes: Mapping[str, int]) -> Iterator[Line]:
    rows = list(_numbered(file))
    between = "\t" if rows and "\t" in rows[0][1] else ","
    columns = _header(_cells(*rows[0], between)) if rows else {}
    for where, text in rows[1:] if columns else rows:
        if not columns:
            yield parse_line(text, where, classes)
            continue
        row = _cells(where, text, between)
        if len(row) <= max(columns.values()):
            raise BadInput(where, f"{text!r} has {len(row)} cells, fewer than the header", "complete the line")
        told = {name: row[index] for name, index in columns.items()}
        yield _line(told["path"], told.get("frames", ""), told["label"], where, text, classes)


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
        return Line(path, int(frames or 0), int(label), where)
    if label.casefold() not in classes:
        mend = f"write `path frames label` or `path label`; {nearest(label, classes)}" if classes else ""
        raise BadInput(where, f"can't read {text!r}", mend or "write `path frames label` or `path label`")
    return Line(path, int(frames or 0), classes[label.casefold()], where, named=label)


def _label(line: Line) -> str:
    return line.named or str(line.label)


def _refuse_mixture(lines: Sequence[Line]) -> None:
    """All labels are names or all are numbers: a number among names has no known base."""
    kinds = Counter(bool(line.named) for line in lines)
    if len(kinds) > 1:
        few = min(kinds, key=lambda kind: kinds[kind])
        line = next(line for line in lines if bool(line.named) == few)
        what = f"label {_label(line)!r} of {line.path!r} is a {'name' if few else 'number'}, most others are not"
        raise BadInput(line.where, what, "write all labels as names or all as numbers")


def _folder_label(path: str, known: Mapping[str, int]) -> int | None:
    folders = (part.casefold() for part in reversed(plain(path).split("/")[:-1]))
    return next((known[folder] for folder in folders if folder in known), None)


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
