"""A copy of a data set as a list of facts that can be shared: labels, splits, lengths, sizes, boxes, what is seen.

A number can't be reproduced on another copy, and copies differ in what no table tells: another frame-extraction
tool, other lists, aligned faces. A manifest holds enough of each clip to see that, and nothing of its pictures but
two hashes. Its own hash depends on the clips alone: not on where they lie, in which order they were listed, or on
which machine they were read. How two of them differ is told in `differences`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import __version__
from harness.data.clips import Box, Clip
from harness.errors import BadInput
from harness.files import write_bytes
from harness.words import storage

if TYPE_CHECKING:
    from harness.data.probe import Probe

FORMAT = 1
MOST = 2**28  # bytes, unpacked: those of a million clips; a small file from elsewhere could unpack to any size
SAMPLED = "the decoded pixels of the first, the middle and the last frame"  # what `content` is a hash of

Split = str | dict[str, str]  # in a set with folds: the split by fold
Face = list[float] | dict[str, Any] | None  # one box; or of boxes by frame their hash and number


@dataclass(frozen=True, slots=True)
class Entry:
    """A clip's line."""

    id: str
    label: int
    split: Split
    frames: int
    width: int
    height: int
    seconds: float
    face: Face
    body: list[float] | None
    content: str  # of the pictures, whatever file holds them; empty: it can't be read
    looks: str  # the same for pictures that look the same: 64 bits, near where the pictures are near


_KEYS = tuple(field.name for field in fields(Entry))


@dataclass(frozen=True)
class Manifest:
    """A copy's clips, sorted by id."""

    dataset: str
    classes: tuple[str, ...]
    entries: tuple[Entry, ...]
    sampled: str = SAMPLED
    harness: str = __version__

    @property
    def hash(self) -> str:
        return _hash(self.dataset, self.classes, self.entries)

    def write(self, path: Path) -> None:
        """JSON Lines, whole or not at all; compressed where the name ends in `.gz`, the same bytes every time."""
        header = {
            "manifest": FORMAT,
            "dataset": self.dataset,
            "classes": list(self.classes),
            "sampled": self.sampled,
            "harness": self.harness,
            "clips": len(self.entries),
            "hash": self.hash,
        }
        data = ("\n".join([json.dumps(header), *map(_line, self.entries)]) + "\n").encode()
        write_bytes(path, gzip.compress(data, mtime=0) if path.name.endswith(".gz") else data)


def of(
    dataset: str,
    classes: Sequence[str],
    clips: Iterable[Clip],
    probes: Mapping[str, Probe],
    folds: Mapping[str, dict[str, str]] | None = None,
) -> Manifest:
    """The manifest of clips and what was seen of them; `folds`: clip id -> its split by fold, in a set with folds."""
    splits = folds or {}
    entries = (_entry_of(clip, probes[clip.id], splits.get(clip.id, clip.split)) for clip in clips)
    return Manifest(dataset, tuple(classes), tuple(sorted(entries, key=lambda entry: entry.id)))


def hash_of(dataset: str, classes: Sequence[str], clips: Iterable[Clip], probes: Mapping[str, Probe]) -> str:
    """The hash of these clips' manifest: what a run stores."""
    return of(dataset, classes, clips, probes).hash


def read(path: Path) -> Manifest:
    """The manifest that `path` holds. Raises `BadInput` for whatever is not one, or not one any more."""
    numbered = enumerate(_lines_of(path), start=1)
    try:
        header = _object(next(numbered, (1, "{}"))[1])
        version = header.get("manifest")
        if version != FORMAT:
            what = f"is a manifest of version {version!r}" if version else "is not a manifest"
            raise BadInput(str(path), what, "write one with `harness data manifest`")
        dataset, sampled, harness = (_text(header.get(key), key) for key in ("dataset", "sampled", "harness"))
        classes = tuple(_text(name, "classes") for name in _list(header.get("classes"), "classes"))
    except ValueError as error:
        raise BadInput(f"{path}:1", f"not the first line of a manifest: {error}", _AGAIN) from error
    entries = []
    for number, line in numbered:
        try:
            entries.append(_entry(_object(line), len(classes)))
        except ValueError as error:
            raise BadInput(f"{path}:{number}", f"not a clip's line: {error}", _AGAIN) from error
    found = Manifest(dataset, classes, tuple(sorted(entries, key=lambda entry: entry.id)), sampled, harness)
    if len({entry.id for entry in found.entries}) != len(found.entries):
        raise BadInput(str(path), "names a clip twice", _AGAIN)
    if len(found.entries) != header.get("clips"):
        raise BadInput(str(path), f"holds {len(found.entries)} of {header.get('clips')!r} clips", _AGAIN)
    if found.hash != header.get("hash"):
        raise BadInput(str(path), "was changed since it was written (its hash differs)", _AGAIN)
    return found


_AGAIN = "it is damaged: copy it again, or write it again with `harness data manifest`"


# --- writing ----------------------------------------------------------------------------------------------------


def _entry_of(clip: Clip, probe: Probe, split: Split) -> Entry:
    return Entry(
        id=clip.id,
        label=clip.label,
        split=split,
        frames=probe.frames,
        width=probe.width,
        height=probe.height,
        seconds=round(float(probe.seconds), 3),
        face=_face_of(clip.face),
        body=list(map(float, clip.body)) if clip.body else None,
        content=probe.content,
        looks=probe.looks,
    )


def _face_of(face: Mapping[str, Box] | None) -> Face:
    if not face:
        return None
    if set(face) == {""}:
        return list(map(float, face[""]))
    rows = repr([(frame, *map(float, box)) for frame, box in sorted(face.items())])
    return {"boxes": len(face), "hash": hashlib.sha256(rows.encode("utf-8", "backslashreplace")).hexdigest()[:16]}


def _line(entry: Entry) -> str:
    """In ASCII, so that the oddest file name can be written, hashed and read back."""
    return json.dumps({key: getattr(entry, key) for key in _KEYS}, sort_keys=True, separators=(",", ":"))


def _hash(dataset: str, classes: Sequence[str], entries: Iterable[Entry]) -> str:
    digest = hashlib.sha256(json.dumps([FORMAT, dataset, list(classes)]).encode())
    for entry in entries:
        digest.update(_line(entry).encode() + b"\n")
    return digest.hexdigest()[:16]


# --- reading ----------------------------------------------------------------------------------------------------


def _lines_of(path: Path) -> Iterator[str]:
    """The lines of a plain or compressed file."""
    try:
        with path.open("rb") as file:
            packed = file.peek(2)[:2] == b"\x1f\x8b"
            data = (gzip.GzipFile(fileobj=file) if packed else file).read(MOST + 1)
    except OSError as error:
        raise BadInput(str(path), f"can't be read: {error.strerror or error}", "give a manifest file") from error
    except (EOFError, zlib.error, MemoryError) as error:
        raise BadInput(str(path), f"can't be unpacked: {error}", _AGAIN) from error
    if len(data) > MOST:
        raise BadInput(str(path), f"holds over {storage(MOST)}, which no manifest does", "give a manifest file")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise BadInput(str(path), f"is not text ({error.reason})", _AGAIN) from error
    yield from text.removesuffix("\n").split("\n")


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except RecursionError as error:
        raise ValueError("too deep") from error
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _entry(value: dict[str, Any], classes: int) -> Entry:
    if odd := sorted(set(value) ^ set(_KEYS)):
        raise ValueError(f"keys that are missing or not known: {', '.join(map(repr, odd[:3]))}")
    face = value["face"]
    return Entry(
        id=_text(value["id"], "id"),
        label=_whole(value["label"], "label", classes - 1),
        split=_split(value["split"]),
        frames=_whole(value["frames"], "frames"),
        width=_whole(value["width"], "width"),
        height=_whole(value["height"], "height"),
        seconds=_number(value["seconds"], "seconds"),
        face=_by_frame(face) if isinstance(face, dict) else _box(face, "face"),
        body=_box(value["body"], "body"),
        content=_text(value["content"], "content"),
        looks=_looks(value["looks"]),
    )


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{key} is {value!r:.40}, not text")
    return value


def _list(value: Any, key: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{key} is {value!r:.40}, not a list")
    return value


def _whole(value: Any, key: str, most: int = 2**53) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{key} is {value!r:.40}, not a whole number from 0 to {most}")
    return value


def _number(value: Any, key: str) -> float:
    if type(value) not in (int, float) or not abs(value) <= 2**53:  # NaN is neither above nor below
        raise ValueError(f"{key} is {value!r:.40}, not a number")
    return float(value)


def _split(value: Any) -> Split:
    if isinstance(value, dict):
        return {fold: _text(split, "split") for fold, split in value.items()}
    return _text(value, "split")


def _box(value: Any, key: str) -> list[float] | None:
    if value is None:
        return None
    box = [_number(number, key) for number in _list(value, key)]
    if len(box) != 4:
        raise ValueError(f"{key} has {len(box)} numbers, not 4")
    return box


def _by_frame(value: dict[str, Any]) -> dict[str, Any]:
    if set(value) != {"boxes", "hash"}:
        raise ValueError("face is neither a box nor a number of boxes and their hash")
    return {"boxes": _whole(value["boxes"], "boxes"), "hash": _text(value["hash"], "hash")}


def _looks(value: Any) -> str:
    if not re.fullmatch("[0-9a-f]{0,16}", _text(value, "looks")):
        raise ValueError(f"looks is {value!r:.40}, not 64 bits in hexadecimal")
    return str(value)
