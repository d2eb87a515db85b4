"""Box files: `{key: [x1, y1, x2, y2]}` for a clip, or `{key: {frame name: [...]}}`, in absolute pixels.

The trouble with boxes is their keys: each publisher spells the path of a clip in its own way, and with the
obvious spelling not one clip may match. So the known spellings are tried over the whole list, the one that
finds most is taken, and what stays missing can be shown beside its nearest neighbours.
"""

from __future__ import annotations

import bisect
import difflib
import json
import math
import os
import posixpath
import re
import reprlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.data.clips import Box
from harness.data.paths import Noting, best, from_last, plain, stem
from harness.errors import BadInput
from harness.words import SHOWN, some

Frames = Mapping[str, Box]  # {"": box} for the whole clip, else {frame name: box}
Place = tuple[str, str, str]  # a clip's path below the root, as the list writes it, and the clip's id
_MOST_BYTES = 512 << 20  # of one file, which takes several times as much memory; 10 million boxes have about that
_NEAR = 5  # keys on either side, in order, among which the nearest is looked for
_NEARLY_ALL, _MANY = 0.95, 1 / 3  # shares of all boxes from which on their numbers are of another convention


class Boxes:
    """The boxes of one or more files, found by the spelling of the key that fits most of `places`."""

    def __init__(
        self,
        files: Sequence[Path],
        places: Sequence[Place],
        folder: str,
        splits: Iterable[str],
        note: Noting,
        kind: str = "face",
    ) -> None:
        self.file = files[0]
        self.missed: list[str] = []
        entries = _read(files)
        splits = {split.casefold() for split in splits}
        short = {stem(from_last(key, splits)): value for key, value in entries.items()}
        spellings: dict[str, Callable[[Place], str]] = {
            "the path as the list writes it": lambda place: place[1] or place[0],  # where there is a list
            "that without extension": lambda place: stem(place[1] or place[0]),
            "the path below the root": lambda place: place[0],
            "that path without extension": lambda place: stem(place[0]),
            f"{folder}/ and the path": lambda place: f"{folder}/{place[0]}",
            f"{folder}/ and the path without extension": lambda place: f"{folder}/{stem(place[0])}",
            "the clip's id": lambda place: place[2],
        }
        # Finds are looked up as they are; only as the last resort are the file's keys shortened as well.
        tables = dict.fromkeys(spellings, entries)
        if len(short) == len(entries):
            loose = "the path from the last split folder on, without extension, on both sides"
            spellings[loose], tables[loose] = (lambda place: stem(from_last(place[0], splits))), short
        finds = {name: lambda place, s=s, t=tables[name]: t.get(s(place)) for name, s in spellings.items()}
        name, self._hits = best(finds, places)
        self._spell, self._table = spellings[name], tables[name]
        message = f"{self._hits} of {len(places)} clips have a {kind} box; the key is {name}"
        note("box-keys", str(self.file), message if self._hits else f"no clip has a {kind} box", "", 1)
        flat = [key for key, value in entries.items() for box in value.values() if not _usable(box)]
        if flat:
            message = f"boxes without area, or not of finite numbers, count as missing: {some(flat)}"
            note("box-degenerate", str(self.file), message, "", len(flat))
        if other := another_convention([box for value in entries.values() for box in value.values()]):
            message, mend, count = other
            note("box-geometry", str(self.file), f"{kind} boxes: {message}", mend, count)

    def get(self, place: Place) -> Frames | None:
        """The usable boxes of a clip, or None; a key that isn't there is remembered in `missed`."""
        key = self._spell(place)
        found = {frame: box for frame, box in self._table.get(key, {}).items() if _usable(box)}
        if not found:
            self.missed.append(key)
        return found or None

    def neighbours(self) -> str:
        """Three missed keys, each beside the nearest of the file if that is spelt otherwise: a mismatch, or a gap."""
        near = _Near(self._table)
        shown = []
        for key in self.missed[:: max(1, len(self.missed) // SHOWN)][:SHOWN]:
            if key in self._table:
                shown.append(f"{key!r} has no usable box")
            else:
                found = near.to(key)
                spelt = found and (not self._hits or _number(found) == _number(key))
                shown.append(f"{key!r} is not there" + (f", the nearest is {found!r}" if spelt else ""))
        return "; ".join([*self._forms(), *shown])

    def _forms(self) -> Iterator[str]:
        """How the keys as a whole are spelt otherwise than the clips."""
        if not self._hits and self.missed and self._table:
            yield f"the file's keys look like {next(iter(self._table))!r}, the clips like {self.missed[0]!r}"
        cases = {key.casefold() for key in self._table}
        other = [key for key in self.missed if key not in self._table and key.casefold() in cases]
        if other:
            yield f"{len(other)} of {len(self.missed)} missing keys differ in capital and small letters alone"


def another_convention(boxes: Sequence[Box]) -> tuple[str, str, int] | None:
    """What the numbers alone betray of boxes that are not x1, y1, x2, y2 in pixels: message, mend, how many they are.

    Such boxes crop something else than the face, and nothing else would ever say so.
    """
    found = [box for box in boxes if all(map(math.isfinite, box)) and any(box)]  # zeros alone: no face was found
    within = [box for box in found if max(map(abs, box)) <= 1]
    if found and len(within) >= _NEARLY_ALL * len(found):
        what = f"no number is above 1 in {len(within):,} of {len(found):,}: are they normalised? e.g. {_shown(within)}"
        return what, "multiply x by the width and y by the height of the picture", len(within)
    turned = [box for box in found if box[2] < box[0] or box[3] < box[1]]
    if found and len(turned) >= _MANY * len(found):
        what = f"they end before they begin in {len(turned):,} of {len(found):,}: are they x, y, width, height?"
        return f"{what} e.g. {_shown(turned)}", "write x1, y1, x2, y2: x2 = x + width, y2 = y + height", len(turned)
    return None


def _shown(boxes: Sequence[Box]) -> str:
    return "[" + ", ".join(f"{n:g}" for n in boxes[0]) + "]"


class _Near:
    """Finds the nearest of many keys: among those of the same form that end alike or stand beside it in order."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._forms: dict[tuple[int, str], list[str]] = defaultdict(list)
        self._ends: dict[str, list[str]] = defaultdict(list)
        self._all = sorted(keys)
        for key in self._all:
            self._forms[_form(key)].append(key)
            self._ends[posixpath.basename(stem(key))].append(key)

    def to(self, key: str) -> str:
        form = self._forms.get(_form(key), self._all)
        at = bisect.bisect(form, key)
        beside = form[max(0, at - _NEAR) : at + _NEAR]
        alike = self._ends.get(posixpath.basename(stem(key)), [])[: 20 * _NEAR]
        same = [other for other in alike if _form(other) == _form(key)] or alike
        return next(iter(difflib.get_close_matches(key, [*same, *beside], n=1, cutoff=0)), "")


def _number(key: str) -> str:
    """The last number of a key, by which most sets tell their clips apart."""
    return next(iter(re.findall("[0-9]+", key)[-1:]), "")


def _form(key: str) -> tuple[int, str]:
    """What keys of one spelling have in common: how many folders they name, and the extension."""
    return key.count("/"), os.path.splitext(key)[1].lower()


def _read(files: Sequence[Path]) -> dict[str, dict[str, Box]]:
    entries: dict[str, dict[str, Box]] = {}
    for file in files:
        try:
            if (size := file.stat().st_size) > _MOST_BYTES:
                raise BadInput(str(file), f"has {size:,} bytes, more than {_MOST_BYTES:,}", "write it as several files")
            found = json.loads(file.read_bytes().decode("utf-8-sig"), object_pairs_hook=_unique)
        except json.JSONDecodeError as error:
            cut = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string")
            mend = "it looks cut off: copy it again" if cut else "mend it there, or copy it again"
            raise BadInput(str(file), f"can't be read as JSON: {error}", mend) from error
        except (OSError, ValueError, RecursionError) as error:
            raise BadInput(str(file), f"can't be read as JSON: {error}", "check the file") from error
        if not isinstance(found, dict):
            raise BadInput(str(file), "is not a JSON object", 'write {"key": [x1, y1, x2, y2], ...}')
        for key, value in found.items():
            boxes = _frames(value, f"{file}: {key}")
            if entries.setdefault(key, boxes) != boxes:
                raise BadInput(
                    str(file), f"{key!r} has another box than in {files[0]}", "name one file in the settings"
                )
    return entries


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a key that comes again with another value would hide the first without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        again = next((key for key, value in pairs if found[key] != value), None)
        if again is not None:
            raise ValueError(f"{again!r} is there twice, with different boxes")
    return found


def _frames(value: Any, where: str) -> dict[str, Box]:
    """What a key holds, always by frame; null and an empty list say that no face was found."""
    by_frame = value if isinstance(value, dict) else {"": value}
    return {plain(frame): _box(box, where) for frame, box in by_frame.items() if box is not None and box != []}


def _box(value: Any, where: str) -> Box:
    numbers = isinstance(value, list) and all(isinstance(n, int | float) and not isinstance(n, bool) for n in value)
    if not numbers or len(value) != 4:
        raise BadInput(
            where, f"{reprlib.repr(value)} is not a box", "write [x1, y1, x2, y2] in pixels, or {frame: box, ...}"
        )
    x1, y1, x2, y2 = (float(n) if abs(n) < 1e300 else math.inf for n in value)
    return x1, y1, x2, y2


def _usable(box: Box) -> bool:
    return all(map(math.isfinite, box)) and box[2] > box[0] and box[3] > box[1]
