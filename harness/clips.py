"""What a data set is once read: clips, where they lie, and what reading them found.

`scan` is the one door to a copy on disk: it runs an adapter, refuses what can't be trusted (labels out of range,
paths that leave the root, too many missing boxes), makes `val` where there is none and fingerprints the rest.
Everything it drops or guesses becomes a `Note`. Pixels are not touched here; see `video`.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

from harness.errors import BadInput
from harness.protocol import Face, Train

if TYPE_CHECKING:
    import datasets

Box = tuple[float, float, float, float]  # absolute pixels: x1, y1, x2, y2
SPLITS = ("train", "val", "test")
VIDEOS = (".avi", ".mp4", ".mkv", ".mov", ".m4v", ".webm", ".mpg", ".mpeg", ".wmv", ".flv")
IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled example."""

    id: str  # unique in the set, e.g. "train/Anger/0001"
    media: str  # path below the root, posix: a video file, a folder of frames, or an image
    label: int  # 0-based
    split: str  # "train" | "val" | "test"
    frames: int = 0  # what the list says; 0: it does not say
    face: Mapping[str, Box] | None = None  # {"": box} for the whole clip, {frame name: box}, None: no box
    body: Box | None = None
    subject: str = ""  # the person, where the layout tells


@dataclass(frozen=True, slots=True)
class Note:
    """Something dropped, defaulted or guessed while reading; one for all clips it befell."""

    kind: str
    where: str
    message: str
    mend: str = ""
    count: int = 1


@dataclass(frozen=True)
class Scan:
    """What reading a copy found. `faces` counts the whole copy, before clips are skipped or limited."""

    root: Path
    clips: list[Clip]  # sorted by id
    notes: list[Note]
    faces: dict[str, dict[str, int]]  # split -> {"found": n, "missing": n}
    has_boxes: bool
    fingerprint: str


class BoxFile(Protocol):
    """As much of `boxes.Boxes` as a report on missing boxes needs."""

    @property
    def file(self) -> Path: ...
    def neighbours(self) -> str: ...


class Source(Protocol):
    """As much of an adapter as `scan` needs."""

    name: Any
    folder: Any
    classes: Any
    root: Path
    notes: list[Note]
    boxes: Any  # BoxFile | None

    def clips(self) -> Iterator[Clip]: ...


def natural(name: str) -> list[str | int]:
    """Sorting key under which `frame10` comes after `frame9`."""
    return [int(part) if i % 2 else part for i, part in enumerate(re.split(r"([0-9]+)", name))]


def frame_names(folder: Path) -> list[str]:
    """The images directly in `folder`, in natural order; hidden files (`._1.jpg`) are no frames."""
    names = (name for name in os.listdir(folder) if name.lower().endswith(IMAGES) and name[0] != ".")
    return sorted(names, key=natural)


def scan(adapter: Source, train: Train, face: Face) -> Scan:
    """Reads the copy of a data set that `adapter` points at.

    Raises `BadInput` where going on would train on something else than the user thinks.
    """
    book = _Book(adapter)
    clips = sorted(book.present(_checked(adapter)), key=lambda clip: natural(clip.id))
    if not clips:
        raise BadInput(str(adapter.root), "none of the listed clips is there", _root_mend(adapter))
    clips = _with_val(clips, train, book)
    has_boxes = adapter.boxes is not None or any(clip.face for clip in clips)
    faces = {split: _count_faces(clips, split) for split in SPLITS if any(c.split == split for c in clips)}
    clips = _face_policy(clips, adapter, face, has_boxes, book)
    clips = _limited(clips, train.limit, book)
    return Scan(adapter.root, clips, adapter.notes + book.notes, faces, has_boxes, book.fingerprint(clips))


def as_dataset(scan: Scan, classes: Sequence[str]) -> datasets.Dataset:
    """The index: the scan's clips, in its order, as a Hugging Face `Dataset` (Arrow, `ClassLabel`).

    Its fingerprint is the scan's, so whatever `datasets` caches of it follows the copy. Loader processes share its
    memory, which a list of objects would be copied into each.
    """
    import datasets as hf

    box = hf.Sequence(hf.Value("float64"))
    features = hf.Features(
        {
            "id": hf.Value("string"),
            "media": hf.Value("string"),
            "label": hf.ClassLabel(names=list(classes)),
            "split": hf.Value("string"),
            "frames": hf.Value("int32"),
            "subject": hf.Value("string"),
            "boxes": [{"frame": hf.Value("string"), "box": box}],
            "body": box,
        }
    )
    plain = ("id", "media", "label", "split", "frames", "subject")
    columns: dict[str, list[Any]] = {name: [getattr(clip, name) for clip in scan.clips] for name in plain}
    columns["boxes"] = [[{"frame": f, "box": list(b)} for f, b in (c.face or {}).items()] for c in scan.clips]
    columns["body"] = [list(clip.body or ()) for clip in scan.clips]
    dataset = hf.Dataset.from_dict(columns, features=features)
    return hf.Dataset(dataset.data, info=dataset.info, fingerprint=scan.fingerprint)


def from_row(row: Mapping[str, Any]) -> Clip:
    """The clip behind a row of the index."""
    plain = {name: row[name] for name in ("id", "media", "label", "split", "frames", "subject")}
    face = {found["frame"]: tuple(found["box"]) for found in row["boxes"]}
    return Clip(**plain, face=face or None, body=tuple(row["body"]) or None)


# --- what `scan` is made of -------------------------------------------------------------------------------------


def _checked(adapter: Source) -> Iterator[Clip]:
    """The adapter's clips, with ids unique, labels in range and split names known."""
    if not adapter.root.is_dir():
        raise BadInput(str(adapter.root), "no such folder", _root_mend(adapter))
    seen: dict[str, str] = {}
    for clip in adapter.clips():
        if clip.split not in SPLITS:
            raise BadInput(clip.id, f"{clip.split!r} is not a split", "use one of " + ", ".join(SPLITS))
        if not 0 <= clip.label < len(adapter.classes):
            what = f"label {clip.label} is outside 0..{len(adapter.classes) - 1}"
            raise BadInput(f"{adapter.name}: {clip.id}", what, "labels are 0-based positions in `classes`")
        if clip.id in seen:
            what = f"is in `{seen[clip.id]}` and again in `{clip.split}`"
            raise BadInput(f"{adapter.name}: {clip.id}", what, "keep each clip in one list only")
        seen[clip.id] = clip.split
        yield clip


def _root_mend(adapter: Source) -> str:
    inside = adapter.root / adapter.folder
    advice = f"set data.{adapter.name}.root to the folder that is called {adapter.folder!r} in the original"
    return f"did you mean {inside}?" if inside.is_dir() else advice


@dataclass
class _Book:
    """Keeps account of the media: which are there, how large they are, what was dropped and why."""

    adapter: Source
    notes: list[Note] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)  # clip id -> its media's size, root-independent

    def note(self, kind: str, clips: Sequence[Clip], message: str, mend: str = "") -> None:
        if clips:
            some = ", ".join(clip.id for clip in clips[:3]) + (", …" if len(clips) > 3 else "")
            self.notes.append(Note(kind, self.adapter.name, f"{message}: {some}", mend, len(clips)))

    def present(self, clips: Iterable[Clip]) -> list[Clip]:
        """The clips whose media exist below the root."""
        there, gone, miscounted = [], [], []
        real = functools.lru_cache(maxsize=4096)(os.path.realpath)
        for clip in clips:
            _refuse_escape(self.adapter.root, clip, real)
            fact, images = _media_fact(self.adapter.root, clip.media, real)
            if not fact:
                gone.append(clip)
                continue
            if images and clip.frames and images != clip.frames:
                miscounted.append(clip)
            self.facts[clip.id] = fact
            there.append(clip)
        mend = "complete the copy, or remove the lines"
        self.note("label-without-video", gone, "labelled, but not in this copy, so left out", mend)
        mend = "frames were extracted with another tool or rate than the list's"
        self.note("frame-count", miscounted, "the folder holds another number of frames than listed", mend)
        return there

    def fingerprint(self, clips: Sequence[Clip]) -> str:
        digest = hashlib.sha256()
        for clip in clips:
            boxes = sorted((clip.face or {}).items()), clip.body
            row = (clip.id, clip.label, clip.split, clip.frames, self.facts[clip.id], boxes)
            digest.update(repr(row).encode() + b"\n")
        return digest.hexdigest()[:16]


def _refuse_escape(root: Path, clip: Clip, real: Callable[[Path], str]) -> None:
    """A list from elsewhere must not make us read files outside the data set."""
    path = PurePosixPath(clip.media)
    outside = path.is_absolute() or ".." in path.parts or Path(clip.media).drive or "\0" in clip.media
    if not outside and path.parts:
        full = root / clip.media
        target = os.path.realpath(full) if full.is_symlink() else os.path.join(real(full.parent), full.name)
        outside = not _below(target, real(root))
    if outside or not path.parts:
        mend = "keep media below the root; where a link leads elsewhere, give that place as the root"
        raise BadInput(clip.id, f"{clip.media!r} leads outside {root}", mend)


def _below(path: str, root: str) -> bool:
    return path.startswith(root.rstrip(os.sep) + os.sep)


def _media_fact(root: Path, media: str, real: Callable[[Path], str]) -> tuple[str, int]:
    """What identifies a medium without reading it (empty: it is not there), and how many images a folder has."""
    path = root / media
    if not path.is_dir():
        return (str(path.stat().st_size), 0) if path.is_file() else ("", 0)
    sizes = []
    for name in frame_names(path):
        frame = path / name
        if frame.is_symlink() and not _below(os.path.realpath(frame), real(root)):
            raise BadInput(str(frame), f"leads outside {root}", "copy the frame, or give the other place as the root")
        sizes.append((name, frame.stat().st_size))
    return (hashlib.sha256(repr(sizes).encode()).hexdigest(), len(sizes)) if sizes else ("", 0)


def _with_val(clips: list[Clip], train: Train, book: _Book) -> list[Clip]:
    """The clips with a `val` split: the official one, or a hold-out of `train`."""
    splits = {clip.split for clip in clips}
    if "train" not in splits:
        raise BadInput(book.adapter.name, "no training clips", "the `train` list or folder is missing or empty")
    if "test" not in splits:
        book.notes.append(Note("split-missing", book.adapter.name, "this copy has no test clips", "complete the copy"))
    if "val" not in splits:
        held = hold_out([clip for clip in clips if clip.split == "train"], train.holdout)
        if not held:
            what = "has no `val`, and no part of `train` can be held out (too few clips or persons)"
            raise BadInput(book.adapter.name, what, "give a validation list, or raise train.holdout")
        clips = [replace(clip, split="val") if clip.id in held else clip for clip in clips]
        message = f"no official `val`: {train.holdout:.0%} of `train` is held out by clip-id hash"
        book.note("val-made", [clip for clip in clips if clip.id in held], message, "or give a validation list")
    places = defaultdict(set)
    for clip in clips:
        places[clip.subject].add(clip.split)
    leaked = [clip for clip in clips if clip.subject and len(places[clip.subject]) > 1]
    book.note("subject-leak", leaked, "the same person is in more than one split", "results will flatter")
    return clips


def hold_out(clips: Sequence[Clip], share: float) -> set[str]:
    """Ids of about `share` of each class, never splitting a person; the same for the same clips in any order.

    Persons (or single clips, where persons aren't known) come in the order of their hash, and one is taken
    when that brings the classes' counts, each relative to its own quota, nearer to the quotas.
    """
    groups: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        groups["person " + clip.subject if clip.subject else "clip " + clip.id].append(clip)
    quota = {label: share * n for label, n in Counter(clip.label for clip in clips).items()}
    taken: Counter[int] = Counter()
    held: set[str] = set()
    for group in sorted(groups.values(), key=lambda group: min(_hash(clip.id) for clip in group)):
        adds = Counter(clip.label for clip in group)
        gaps = {label: quota[label] - taken[label] for label in adds}
        if sum((abs(gaps[label]) - abs(gaps[label] - n)) / quota[label] for label, n in adds.items()) > 1e-9:
            taken += adds
            held |= {clip.id for clip in group}
    return held


def _count_faces(clips: list[Clip], split: str) -> dict[str, int]:
    found = [clip.face is not None for clip in clips if clip.split == split]
    return {"found": sum(found), "missing": len(found) - sum(found)}


def _face_policy(clips: list[Clip], adapter: Source, face: Face, has_boxes: bool, book: _Book) -> list[Clip]:
    missing = [clip for clip in clips if clip.face is None]
    share = len(missing) / len(clips)
    if has_boxes and share > face.max_missing:
        boxes: BoxFile | None = adapter.boxes
        where = str(boxes.file) if boxes else adapter.name
        what = f"{len(missing)} of {len(clips)} clips have no box, more than face.max_missing = {face.max_missing:g}"
        hint = "raise face.max_missing if that is as it should be, or mend the keys"
        raise BadInput(where, what, f"{hint}; {boxes.neighbours()}" if boxes else hint)
    if missing and face.missing == "error":
        first = ", ".join(clip.id for clip in missing[:3])
        raise BadInput(adapter.name, f"{len(missing)} clips have no face box: {first}", "choose another face.missing")
    if face.missing == "skip":
        book.note("face-missing", missing, "no face box, so left out (face.missing = skip)")
        clips = [clip for clip in clips if clip.face is not None]
        if not clips:
            raise BadInput(
                adapter.name, "no clip has a face box, so all would be skipped", "choose another face.missing"
            )
    else:
        mend = "give boxes, or choose another face.missing"
        book.note("face-missing", missing, f"no face box, so the face stream is a {face.missing}", mend)
    return clips


def _limited(clips: list[Clip], limit: int, book: _Book) -> list[Clip]:
    if not limit:
        return clips
    cells: dict[tuple[str, int], list[Clip]] = defaultdict(list)
    for clip in sorted(clips, key=lambda clip: _hash(clip.id)):
        cells[clip.split, clip.label].append(clip)
    kept = {clip.id for cell in cells.values() for clip in cell[:limit]}
    dropped = [clip for clip in clips if clip.id not in kept]
    book.note("limited", dropped, f"left out by train.limit = {limit}", "set train.limit = 0 for all clips")
    return [clip for clip in clips if clip.id in kept]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
