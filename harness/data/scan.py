"""The one door to a copy on disk: runs an adapter, looks its clips up, and refuses what can't be trusted.

`survey` tells what lies there, as labelled; `scan` makes of it what a run trains on: `val` held out where there
is none, boxes missing as the settings say, everything fingerprinted. Whatever is dropped or guessed becomes a
`Note`. Pixels are not touched here: see `video` and, for a closer look at each medium, `probe`.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from harness.data import absence
from harness.data.clips import SPLITS, Clip, Note, Scan, natural
from harness.data.media import Outside, fact
from harness.errors import BadInput
from harness.protocol import Clips, Face, Train
from harness.words import plural, some


class BoxFile(Protocol):
    """As much of `boxes.Boxes` as a report on missing boxes needs."""

    @property
    def file(self) -> Path: ...
    def neighbours(self) -> str: ...


class Source(Protocol):
    """As much of an adapter as a scan needs."""

    name: Any
    folder: Any
    classes: Any
    root: Path
    notes: list[Note]
    boxes: Any  # BoxFile | None
    boxed: Any  # whether the set as published has a box for each clip

    def clips(self) -> Iterator[Clip]: ...
    def sizes(self) -> Mapping[str, int]: ...


@dataclass
class Survey:
    """A copy as it lies there: its labelled clips, before anything is held out, skipped or limited."""

    adapter: Source
    clips: list[Clip] = field(default_factory=list)  # present, sorted by id
    absent: list[Clip] = field(default_factory=list)  # labelled, but not on disk
    notes: list[Note] = field(default_factory=list)
    befell: dict[Note, tuple[str, ...]] = field(default_factory=dict)  # ids of the clips that a note names three of
    facts: dict[str, str] = field(default_factory=dict)  # clip id -> its media's size, root-independent

    def note(self, kind: str, clips: Sequence[Clip], message: str, mend: str = "", named: str = "") -> None:
        """One note for all these clips, of which a few are named unless it is told how."""
        if clips:
            named = named or some(clip.id for clip in clips)
            note = Note(kind, self.adapter.name, f"{message}: {named}", mend, len(clips))
            self.notes.append(note)
            self.befell[note] = tuple(clip.id for clip in clips)

    @property
    def has_boxes(self) -> bool:
        return self.adapter.boxes is not None or any(clip.face for clip in self.clips)

    def fingerprint(self, clips: Sequence[Clip]) -> str:
        digest = hashlib.sha256()
        for clip in clips:
            boxes = sorted((clip.face or {}).items()), clip.body
            row = (clip.id, clip.label, clip.split, clip.frames, self.facts[clip.id], boxes)
            digest.update(repr(row).encode() + b"\n")
        return digest.hexdigest()[:16]


def survey(adapter: Source) -> Survey:
    """Reads the copy that `adapter` points at. Raises `BadInput` for labels, ids and paths that can't be trusted."""
    found = Survey(adapter)
    miscounted, outside = [], []
    for clip in _checked(adapter):
        try:
            known, images = fact(adapter.root, clip)
        except Outside as error:
            outside.append(error)
            continue
        if not known:
            found.absent.append(clip)
            continue
        if images and clip.frames and images != clip.frames:
            miscounted.append(clip)
        found.facts[clip.id] = known
        found.clips.append(clip)
    if outside:
        first, others = outside[0], len(outside) - 1
        raise BadInput(first.where, first.what + f" (and {plural(others, 'other clip')})" * bool(others), first.mend)
    found.clips.sort(key=lambda clip: natural(clip.id))
    named, mend = absence.told(adapter.root, found.absent)
    found.note("label-without-video", found.absent, "labelled, but not in this copy, so left out", mend, named)
    mend = "frames were extracted with another tool or rate than the list's"
    found.note("frame-count", miscounted, "the folder holds another number of frames than listed", mend)
    places = defaultdict(set)
    for clip in found.clips:
        places[clip.subject].add(clip.split)
    leaked = [clip for clip in found.clips if clip.subject and len(places[clip.subject]) > 1]
    mend = "scores will flatter: use a split by person, or report that it is none"
    found.note("subject-leak", leaked, "the same person is in more than one split", mend)
    return found


def scan(adapter: Source, train: Train, face: Face, limits: Clips) -> Scan:
    """What a run trains on. Raises `BadInput` where going on would train on something else than the user thinks."""
    found = survey(adapter)
    if not found.clips:
        named = absence.told(adapter.root, found.absent)[0]
        what = "none of the listed clips is there" + (f": {named}" if named else "")
        raise BadInput(str(adapter.root), what, _root_mend(adapter))
    for error in _absences(found, limits.max_absent):
        raise error
    clips, faces = _prepared(found, train, face)
    clips = _limited(clips, train.limit, found)
    notes = adapter.notes + found.notes
    fingerprint = found.fingerprint(clips)
    return Scan(adapter.root, clips, notes, faces, found.has_boxes, fingerprint, found.clips, found.absent)


def refusals(found: Survey, train: Train, face: Face, limits: Clips) -> list[BadInput]:
    """Why `scan` would refuse what was surveyed, so that an audit can tell all of it at once."""
    tried = replace(found, notes=[], befell={})  # what would be noted on the way is not to be told here
    errors = list(_absences(tried, limits.max_absent))
    try:
        if not errors or any(clip.split == "train" for clip in found.clips):  # else said already
            _prepared(tried, train, face)
    except BadInput as error:
        errors.append(error)
    return errors


def _prepared(found: Survey, train: Train, face: Face) -> tuple[list[Clip], dict[str, dict[str, int]]]:
    """The clips with a `val` and as the settings on faces want them; how many had a box, before any was left out."""
    clips = _with_val(found, train)
    faces = {split: _count_faces(clips, split) for split in SPLITS if any(c.split == split for c in clips)}
    _refuse_missing_boxes(found, faces, face.max_missing)
    return _face_policy(clips, face, found), faces


# --- what is there ----------------------------------------------------------------------------------------------


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


# --- what a run makes of it -------------------------------------------------------------------------------------


def _absences(found: Survey, most: float) -> Iterator[BadInput]:
    """A copy that lacks a good part of what is labelled would be reported under the whole set's name."""
    for split in SPLITS:
        there, gone = (sum(clip.split == split for clip in clips) for clips in (found.clips, found.absent))
        if gone > most * (there + gone):
            absent = [clip for clip in found.absent if clip.split == split]
            named, mend = absence.told(found.adapter.root, absent)
            what = f"{gone} of {there + gone} clips of {split} are not in this copy, more than {most:g} of them"
            yield BadInput(str(found.adapter.root), f"{what}: {named}", f"{mend}, or raise clips.max_absent")


def _with_val(found: Survey, train: Train) -> list[Clip]:
    """The clips with a `val` split: the official one, or a hold-out of `train`."""
    clips, name = found.clips, found.adapter.name
    splits = {clip.split for clip in clips}
    if "train" not in splits:
        raise BadInput(name, "no training clips", "the `train` list or folder is missing or empty")
    if "val" in splits:
        return clips
    held = hold_out([clip for clip in clips if clip.split == "train"], train.holdout)
    if not held:
        what = "has no `val`, and no part of `train` can be held out (too few clips or persons)"
        raise BadInput(name, what, "give a validation list, or raise train.holdout")
    how = "by person and" if any(clip.subject for clip in clips) else "by"
    message, mend = f"{train.holdout:.0%} of `train` is held out {how} clip-id hash", ""
    if told := found.adapter.sizes().get("val", 0):
        message = f"officially `val` has {told:,} clips, here none: {message}"
        mend = "add the official `val`, or report that yours is a part of `train`"
    else:
        message = f"no official `val`: {message}"
    found.note("val-made", [clip for clip in clips if clip.id in held], message, mend)
    return [replace(clip, split="val") if clip.id in held else clip for clip in clips]


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


def _refuse_missing_boxes(found: Survey, faces: Mapping[str, Mapping[str, int]], most: float) -> None:
    if not found.has_boxes and found.adapter.boxed and most < 1 and faces:
        name = found.adapter.name
        what = "no face boxes, though this set has one for each clip"
        mend = f"put the box file (*face*.json) beside the lists, or give data.{name}.faces"
        raise BadInput(str(found.adapter.root), what, f"{mend}; face.max_missing=1 goes on without boxes")
    for split, count in faces.items():
        gone, total = count["missing"], count["missing"] + count["found"]
        if found.has_boxes and gone > most * total:
            boxes: BoxFile | None = found.adapter.boxes
            where = str(boxes.file) if boxes else found.adapter.name
            what = f"{gone} of {total} clips of {split} have no box, more than face.max_missing = {most:g}"
            hint = "raise face.max_missing if that is as it should be, or mend the keys"
            raise BadInput(where, what, f"{hint}; {boxes.neighbours()}" if boxes else hint)


def _face_policy(clips: list[Clip], face: Face, found: Survey) -> list[Clip]:
    name, missing = found.adapter.name, [clip for clip in clips if clip.face is None]
    if missing and face.missing == "error":
        first = some(clip.id for clip in missing)
        raise BadInput(name, f"{len(missing)} clips have no face box: {first}", "choose another face.missing")
    if face.missing == "skip":
        found.note("face-missing", missing, "no face box, so left out (face.missing = skip)")
        kept = [clip for clip in clips if clip.face is not None]
        for split in {clip.split for clip in clips} - {clip.split for clip in kept}:
            what = f"no clip of {split} has a face box, so all would be skipped"
            raise BadInput(name, what, "choose another face.missing, or give boxes")
        clips = kept
    else:
        mend = "give boxes, or choose another face.missing"
        found.note("face-missing", missing, f"no face box, so the face stream is a {face.missing}", mend)
    return clips


def _limited(clips: list[Clip], limit: int, found: Survey) -> list[Clip]:
    if not limit:
        return clips
    cells: dict[tuple[str, int], list[Clip]] = defaultdict(list)
    for clip in sorted(clips, key=lambda clip: _hash(clip.id)):
        cells[clip.split, clip.label].append(clip)
    kept = {clip.id for cell in cells.values() for clip in cell[:limit]}
    dropped = [clip for clip in clips if clip.id not in kept]
    found.note("limited", dropped, f"left out by train.limit = {limit}", "set train.limit = 0 for all clips")
    return [clip for clip in clips if clip.id in kept]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
