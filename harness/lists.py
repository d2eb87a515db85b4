"""Reads annotation lists as they really are: other machines' paths, 1-based labels, CRLF, blanks, duplicates.

Each question that one line can't answer (where do labels start? where does a foreign path begin to be ours?)
is decided over the whole list, by what fits most, and reported. Box files are read in `boxes`.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from harness.clips import IMAGES, VIDEOS
from harness.errors import BadInput, nearest

T = TypeVar("T")
Noting = Callable[[str, str, str, str, int], None]  # kind, where, message, mend, count
_LINE = re.compile(r"(?P<path>[^\s,].*?)(?:[\s,]+(?P<frames>[0-9]+))?[\s,]+(?P<label>-?[0-9]+)")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a list: the path as written, the frames it claims (0: none given), the label as written."""

    path: str
    frames: int
    label: int
    where: str  # file:line


def parse_line(text: str, where: str) -> Line:
    """`path frames label` or `path label`; a path may hold spaces.

    Only one form is ambiguous: `a path 12 3` without a frames column reads as path `a path`, 12 frames.
    """
    match = _LINE.fullmatch(text.strip())
    if match is None:
        raise BadInput(where, f"can't read {text.strip()!r}", "write `path frames label` or `path label`")
    line = Line(match["path"], int(match["frames"] or 0), int(match["label"]), where)
    if line.label < 0:
        raise BadInput(where, f"label {line.label} in {text.strip()!r}", "labels start at 0 or at 1")
    return line


def read_list(file: Path, note: Noting) -> list[Line]:
    """All lines of a list. Repeated lines count once, and are noted; contradicting ones are an error."""
    lines = (parse_line(text, where) for where, text in _numbered(file))
    return once(lines, lambda line: line.path, lambda line: line.label, lambda line: line.where, str(file), note)


def read_table(file: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """`file:line` and the named columns of a CSV table; blanks around header cells and values don't matter."""
    rows = list(_numbered(file))
    if not rows:
        return
    cells = [[cell.strip() for cell in row] for row in csv.reader(text for _, text in rows)]
    header, wanted = cells[0], {}
    for column in columns:
        if column not in header:
            raise BadInput(rows[0][0], f"no column {column!r}", nearest(column, header))
        wanted[column] = header.index(column)
    for (where, text), row in zip(rows[1:], cells[1:], strict=True):
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


def best(forms: Mapping[str, Callable[[T], object]], items: Sequence[T]) -> tuple[str, int]:
    """The name of the form under which most items hit (return something true), and its hits; first wins ties."""
    hits = {name: sum(bool(form(item)) for item in items) for name, form in forms.items()}
    name = max(hits, key=lambda name: hits[name])
    return name, hits[name]


def place(paths: Sequence[str], root: Path, folders: Iterable[str], where: str, note: Noting) -> list[str]:
    """Paths as written, perhaps on another machine, as paths below `root`: the reading under which most exist."""
    known = {folder.casefold() for folder in folders}
    split_folder = "from the last split folder on"
    readings: dict[str, Callable[[str], str]] = {"as written": plain, split_folder: partial(from_last, folders=known)}
    for n in range(1, min(plain(path).count("/") for path in paths) + 1):
        readings[f"without the first {n} folders"] = partial(_without_first, n)
    sample = paths[:: max(1, len(paths) // 200)]
    name, hits = best({name: partial(_exists, root, read) for name, read in readings.items()}, sample)
    if not hits:
        name = split_folder
    if name != "as written":
        note("foreign-paths", where, f"paths like {paths[0]!r} are read {name}", "", len(paths))
    return [readings[name](path) for path in paths]


def _without_first(n: int, path: str) -> str:
    return plain(path).split("/", n)[-1]


def _exists(root: Path, read: Callable[[str], str], path: str) -> bool:
    return existing(root, read(path)) is not None


def plain(path: str) -> str:
    """A path with `/` between its folders and no empty or `.` parts; `..` stays, to be refused later."""
    return "/".join(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))


def from_last(path: str, folders: Iterable[str]) -> str:
    """The path from the last of the known folders on: `/home/x/train/RAER/train/7` is `train/7`."""
    parts = plain(path).split("/")
    starts = [i for i, part in enumerate(parts[:-1]) if part.casefold() in folders]
    return "/".join(parts[starts[-1] :]) if starts else "/".join(parts)


def stem(path: str) -> str:
    """A path without its media extension; a dot in a folder's name is no extension."""
    head, extension = os.path.splitext(path)
    return head if extension.lower() in VIDEOS + IMAGES else path


def existing(root: Path, path: str) -> str | None:
    """`path`, or the same clip in another form (a folder of extracted frames, another container), if on disk."""
    if os.path.exists(os.path.join(root, path)):
        return path
    name = stem(path)
    others = (name, *(name + extension for extension in VIDEOS))
    return next((other for other in others if os.path.exists(os.path.join(root, other))), None)


def media_below(root: Path, folder: str) -> Iterator[str]:
    """Every video, and every folder of images, at any depth below `folder`, in order; hidden ones aside.

    Images beside a video are its thumbnails or its extracted frames: the video counts.
    """
    entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
    entries = [entry for entry in entries if entry.name[0] not in "._"]
    videos = [entry.name for entry in entries if entry.name.lower().endswith(VIDEOS)]
    if not videos and any(entry.name.lower().endswith(IMAGES) for entry in entries):
        yield folder
        return
    for entry in entries:
        if entry.is_dir():
            yield from media_below(root, f"{folder}/{entry.name}")
    yield from (f"{folder}/{name}" for name in videos)


def _numbered(file: Path) -> Iterator[tuple[str, str]]:
    """`file:line` and text of every line that isn't blank."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(str(file), f"is not UTF-8 text ({error.reason})", "save it as UTF-8") from error
    except OSError as error:
        raise BadInput(str(file), f"can't be read: {error.strerror}", "check the path and its rights") from error
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        if line.strip():
            yield f"{file}:{number}", line.strip()
