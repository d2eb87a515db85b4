"""Box files: `{key: [x1, y1, x2, y2]}` for a clip, or `{key: {frame name: [...]}}`, in absolute pixels.

The trouble with boxes is their keys: each publisher spells the path of a clip in its own way, and with the
obvious spelling not one clip may match. So the known spellings are tried over the whole list, the one that
finds most is taken, and what stays missing can be shown beside its nearest neighbours.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.clips import Box
from harness.errors import BadInput
from harness.lists import Noting, best, from_last, plain, stem

Frames = Mapping[str, Box]  # {"": box} for the whole clip, else {frame name: box}
Place = tuple[str, str]  # a clip's path below the root, and as the list writes it


class Boxes:
    """The boxes of one or more files, found by the spelling of the key that fits most of `places`."""

    def __init__(
        self, files: Sequence[Path], places: Sequence[Place], folder: str, splits: Iterable[str], note: Noting
    ) -> None:
        self.file = files[0]
        self.missed: list[str] = []
        entries = _read(files)
        splits = {split.casefold() for split in splits}
        short = {stem(from_last(key, splits)): value for key, value in entries.items()}
        spellings: dict[str, Callable[[Place], str]] = {
            "the path as the list writes it": lambda place: place[1],
            "that without extension": lambda place: stem(place[1]),
            "the path below the root": lambda place: place[0],
            "that path without extension": lambda place: stem(place[0]),
            f"{folder}/ and the path": lambda place: f"{folder}/{place[0]}",
            f"{folder}/ and the path without extension": lambda place: f"{folder}/{stem(place[0])}",
        }
        # Finds are looked up as they are; only as the last resort are the file's keys shortened as well.
        tables = dict.fromkeys(spellings, entries)
        if len(short) == len(entries):
            loose = "the path from the last split folder on, without extension, on both sides"
            spellings[loose], tables[loose] = (lambda place: stem(from_last(place[0], splits))), short
        finds = {name: lambda place, s=s, t=tables[name]: t.get(s(place)) for name, s in spellings.items()}
        name, hits = best(finds, places)
        self._spell, self._table = spellings[name], tables[name]
        message = f"{hits} of {len(places)} clips have a box; the key is {name}"
        note("box-keys", str(self.file), message, "", hits)
        self._degenerate = sum(not ok for value in entries.values() for ok in map(_usable, value.values()))
        if self._degenerate:
            note("box-degenerate", str(self.file), "boxes without area count as missing", "", self._degenerate)

    def get(self, place: Place) -> Frames | None:
        """The usable boxes of a clip, or None; a key that isn't there is remembered in `missed`."""
        key = self._spell(place)
        found = {frame: box for frame, box in self._table.get(key, {}).items() if _usable(box)}
        if not found:
            self.missed.append(key)
        return found or None

    def neighbours(self) -> str:
        """Three missed keys, each beside the nearest key of the file: what a mismatch looks like."""
        shown = []
        for key in self.missed[:: max(1, len(self.missed) // 3)][:3]:
            near = difflib.get_close_matches(key, self._table, n=1, cutoff=0)
            shown.append(f"{key!r} is not there, the nearest is {near[0]!r}" if near else f"{key!r} is not there")
        return "; ".join(shown)


def _read(files: Sequence[Path]) -> dict[str, dict[str, Box]]:
    entries: dict[str, dict[str, Box]] = {}
    for file in files:
        try:
            found = json.loads(file.read_bytes().decode("utf-8-sig"))
        except (OSError, ValueError) as error:
            raise BadInput(str(file), f"can't be read as JSON: {error}", "check the file") from error
        if not isinstance(found, dict):
            raise BadInput(str(file), "is not a JSON object", 'write {"key": [x1, y1, x2, y2], ...}')
        for key, value in found.items():
            boxes = _frames(value, f"{file}: {key}")
            if entries.setdefault(key, boxes) != boxes:
                raise BadInput(str(file), f"{key!r} has another box than in {files[0]}", "name one file as `faces`")
    return entries


def _frames(value: Any, where: str) -> dict[str, Box]:
    """What a key holds, always by frame; null and an empty list say that no face was found."""
    by_frame = value if isinstance(value, dict) else {"": value}
    return {plain(frame): _box(box, where) for frame, box in by_frame.items() if box is not None and box != []}


def _box(value: Any, where: str) -> Box:
    numbers = isinstance(value, list) and all(isinstance(n, int | float) for n in value)
    if not numbers or len(value) != 4:
        raise BadInput(where, f"{value!r} is not a box", "write [x1, y1, x2, y2] in pixels, or {frame: box, ...}")
    x1, y1, x2, y2 = map(float, value)
    return x1, y1, x2, y2


def _usable(box: Box) -> bool:
    return all(map(math.isfinite, box)) and box[2] > box[0] and box[3] > box[1]
