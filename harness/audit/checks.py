"""The checks of an audit: each looks at the labelled clips and what was seen of their media, and yields findings.

A check says what is wrong with how many clips and what to do about it, and whether a run takes it all the same. It
never says so of a healthy copy: what can't be told apart from health (clips that merely look alike, say) is no check.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.audit import geometry
from harness.audit.findings import NOTE, PROBLEM, REFUSED, Finding, about
from harness.data.boxes import another_convention
from harness.data.clips import IMAGES, SPLITS, Clip
from harness.data.sentences import MEND, faults
from harness.errors import BadInput
from harness.words import SHOWN, plural, some

if TYPE_CHECKING:
    from harness.data.probe import Probe

UNREADABLE_SHOWN = 20  # unreadable clips that are named each for itself


@dataclass(frozen=True)
class Evidence:
    """What checks look at: a copy in the splits of one fold."""

    adapter: Any
    classes: tuple[str, ...]
    official: Mapping[str, int]
    official_note: str
    labelled: Sequence[Clip]
    present: Sequence[Clip]
    has_boxes: bool
    frames: int  # sampled from a clip by a run
    spare: float  # share of a split that may be absent
    skips: bool  # unreadable clips are left out
    probes: Mapping[str, Probe] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.adapter.name)

    def of(self, split: str) -> list[Clip]:
        return [clip for clip in self.labelled if clip.split == split]

    @property
    def splits(self) -> list[str]:
        there = {clip.split for clip in self.labelled}
        return [split for split in SPLITS if split in there]

    def readable(self) -> Iterator[tuple[Clip, Probe]]:
        for clip in self.present:
            probe = self.probes.get(clip.id)
            if probe and not probe.error:
                yield clip, probe


def run(evidence: Evidence) -> Iterator[Finding]:
    """The findings of all checks, those on labels first."""
    for check in CHECKS:
        yield from check(evidence)


# --- labels -----------------------------------------------------------------------------------------------------


def splits_missing(evidence: Evidence) -> Iterator[Finding]:
    for split, why in (("train", "nothing can be trained"), ("test", "nothing can be reported")):
        if evidence.labelled and split not in evidence.splits:
            yield Finding("split-missing", split, f"no clip is labelled as {split}: {why}", f"add the list of {split}")


def official_counts(evidence: Evidence) -> Iterator[Finding]:
    """A missing `train` or `test` has its own finding; what is done about a missing `val` is told here."""
    here = {split: len(evidence.of(split)) for split in evidence.splits}
    off = {split: (here[split], n) for split, n in evidence.official.items() if here.get(split, n) != n}
    if "train" in here and "val" not in here and (told := evidence.official.get("val", 0)):
        message = f"officially val has {plural(told, 'clip')}, here none: a hold-out of train stands in"
        yield Finding(
            "official-count", "val", message, "add the official val, or report that it is made of train", told
        )
    if off:
        each = (f"{split} has {plural(n, 'labelled clip')}, officially {told:,}" for split, (n, told) in off.items())
        mend = "use the official lists, or report this as another split"
        mend += f" (official numbers: {evidence.official_note})" if evidence.official_note else ""
        count = sum(abs(n - told) for n, told in off.values())
        few = all(abs(n - told) <= evidence.spare * told for n, told in off.values())
        yield Finding("official-count", ", ".join(off), "; ".join(each), mend, count, gravity=NOTE if few else PROBLEM)


def classes_missing(evidence: Evidence) -> Iterator[Finding]:
    """None labelled, or none of the labelled on disk (where the split has any there: else `refused` tells)."""
    why = "UAR is a mean over all classes"
    for split in evidence.splits:
        listed = Counter(clip.label for clip in evidence.of(split))
        gone = [name for label, name in enumerate(evidence.classes) if not listed[label]]
        if gone:
            mend = f"complete the lists: {why}"
            yield Finding("class-missing", split, f"no clip of {', '.join(gone)}", mend, len(gone))
        there = {clip.label for clip in evidence.present if clip.split == split}
        absent = [label for label in sorted(listed) if there and label not in there]
        if absent:
            names = ", ".join(evidence.classes[label] for label in absent)
            ids = tuple(clip.id for clip in evidence.of(split) if clip.label in absent)
            message, mend = f"{split} has no {names} clip on disk", f"complete the copy: {why}"
            yield Finding("class-missing", split, message, mend, len(absent), ids)


def class_order(evidence: Evidence) -> Iterator[Finding]:
    """Sentences that can't belong to the classes whose places they have."""
    where, mend = f"descriptions of {evidence.name}", MEND
    try:
        sentences = evidence.adapter.descriptions()
    except BadInput as error:
        yield Finding("class-order", error.where, error.what, error.mend or mend)
        return
    wrong = faults(evidence.classes, sentences)
    if wrong:
        yield Finding("class-order", where, "; ".join(wrong[:SHOWN]), mend, len(wrong))


# --- boxes ------------------------------------------------------------------------------------------------------


def faces_missing(evidence: Evidence) -> Iterator[Finding]:
    missing = [clip for clip in evidence.labelled if clip.face is None]
    if not missing:
        return
    if not evidence.has_boxes:
        message = "this copy has no face boxes; face.missing says what stands in for the face"
        yield Finding("no-boxes", evidence.name, message, count=len(missing), gravity=NOTE)
        return
    boxes = evidence.adapter.boxes
    near = boxes.neighbours() if boxes else ""
    ids = tuple(clip.id for clip in missing)
    text = f"{len(missing):,} of {plural(len(evidence.labelled), 'labelled clip')} have no face box: {some(ids)}"
    label, most = Counter(clip.label for clip in missing).most_common(1)[0]
    if 1 < len(missing) < 2 * most:
        all_of = sum(clip.label == label for clip in evidence.labelled)
        text += f"; most of them are {evidence.classes[label]}, {most:,} of its {all_of:,}"
    mend = "give boxes for them; else face.missing says what stands in for the face"
    place = str(boxes.file) if boxes else evidence.name
    yield Finding("face-missing", place, text + (f"; {near}" if near else ""), mend, len(missing), ids, NOTE)


def faces_outside(evidence: Evidence) -> Iterator[Finding]:
    outside = [clip for clip, probe in evidence.readable() if probe.outside]
    if outside:
        mend = "the boxes were found on other pictures (another size, another crop): take boxes of these"
        boxes = evidence.adapter.boxes
        place = str(boxes.file) if boxes else evidence.name
        yield about("face-outside", place, outside, "the face box lies outside the picture", mend)


def box_geometry(evidence: Evidence) -> Iterator[Finding]:
    """Boxes of another convention crop something else than the face, and a run would never know.

    A box file's numbers are judged when it is read; what is so judged isn't held against the pictures as well.
    """
    boxes = evidence.adapter.boxes
    if any(note.kind == "box-geometry" for note in evidence.adapter.notes):
        return
    place = str(boxes.file) if boxes else evidence.name
    if not boxes and (other := another_convention([b for c in evidence.labelled for b in (c.face or {}).values()])):
        yield Finding("box-geometry", place, *other)
        return
    for clips, message, mend in geometry.faults(list(evidence.readable())):
        yield about("box-geometry", place, clips, message, mend)


# --- media ------------------------------------------------------------------------------------------------------


def unreadable(evidence: Evidence) -> Iterator[Finding]:
    """One by one, since each has its own reason; the rest of many in one."""
    root = f"{evidence.adapter.root}/"
    seen = [(clip, evidence.probes[clip.id]) for clip in evidence.present if clip.id in evidence.probes]
    broken = [(clip, probe.error.replace(root, "")) for clip, probe in seen if probe.error]
    skips, gravity = evidence.skips, NOTE if evidence.skips else REFUSED
    mend = "copy the file again" + ("" if skips else ", or set clips.unreadable = skip")
    for clip, error in broken[:UNREADABLE_SHOWN]:
        message = f"{clip.id} of {clip.split}: {error}"
        yield Finding("unreadable-clip", clip.media, message, mend, 1, (clip.id,), gravity)
    if rest := [clip for clip, _ in broken[UNREADABLE_SHOWN:]]:
        yield about("unreadable-clip", evidence.name, rest, "these can't be read either", mend, gravity)


def short_clips(evidence: Evidence) -> Iterator[Finding]:
    """Of videos and folders of frames; a set of single images is short by its nature."""
    short = [clip for clip, probe in evidence.readable() if is_short(clip, probe, evidence.frames)]
    if short:
        fewest = min(evidence.probes[clip.id].frames for clip in short)
        message = f"fewer than {evidence.frames} frames (the shortest has {fewest}), so some are used again"
        mend = "set clips.frames lower, or keep it: every frame is used, in order, some of them again"
        yield about("short-clip", evidence.name, short, message, mend, NOTE)


def is_short(clip: Clip, probe: Probe, frames: int) -> bool:
    return probe.frames < frames and not clip.media.lower().endswith(IMAGES)


def frame_counts(evidence: Evidence) -> Iterator[Finding]:
    """Lists count what some tool extracted; ours is the true count, and where they differ the copies do."""
    wrong = [(clip, probe.frames) for clip, probe in evidence.readable() if clip.frames not in (0, probe.frames)]
    if wrong:
        off, most = Counter(there - clip.frames for clip, there in wrong).most_common(1)[0]
        all_over = f" ({most:,} of them by {off:+d})" if len(wrong) > 1 else ""
        named = ", ".join(f"{clip.id} has {there}, not {clip.frames}" for clip, there in wrong[:SHOWN])
        message = f"{plural(len(wrong), 'clip')} of another length than listed{all_over}: {named}"
        mend = "use the media that the list was made for, or a list of these: the true count is what is sampled"
        ids = tuple(clip.id for clip, _ in wrong)
        yield Finding("frame-count", evidence.name, message, mend, len(wrong), ids, NOTE)


def same_content(evidence: Evidence) -> Iterator[Finding]:
    """The very same pictures under two names in one split."""
    for split, pairs in duplicates(evidence).items():
        contrary = sum(first.label != again.label for again, first in pairs)
        labels = f", {contrary:,} of them with another label" if contrary else ""
        mend = "keep one of them" + (" and find out which label is right" if contrary else "")
        message = f"{plural(len(pairs), 'clip')} with the same pictures as another of {split}{labels}: {_equals(pairs)}"
        yield Finding("duplicate-content", split, message, mend, len(pairs), _ids(pairs))


def leaks(evidence: Evidence) -> Iterator[Finding]:
    """The very same pictures in two splits."""
    from harness.data.probe import twins

    by_id = {clip.id: clip for clip in evidence.present if clip.id in evidence.probes}
    across: dict[tuple[str, str], list[tuple[Clip, Clip]]] = defaultdict(list)
    for one, _, other, _ in twins(by_id.values(), evidence.probes):
        first, again = sorted((by_id[one], by_id[other]), key=lambda clip: SPLITS.index(clip.split))
        across[first.split, again.split].append((again, first))
    for (one, other), pairs in across.items():
        message = f"{plural(len(pairs), 'clip')} of {other} with the same pictures as clips of {one}: {_equals(pairs)}"
        mend = f"take them out of {one}: scores on {other} flatter"
        yield Finding("split-leak", f"{one}, {other}", message, mend, len(pairs), _ids(pairs))


def duplicates(evidence: Evidence) -> dict[str, list[tuple[Clip, Clip]]]:
    """By split, the clips whose pictures an earlier clip of the split has already, each with that earlier clip."""
    first: dict[tuple[str, str, int], Clip] = {}
    found: dict[str, list[tuple[Clip, Clip]]] = defaultdict(list)
    for clip, probe in evidence.readable():
        before = first.setdefault((clip.split, probe.content, probe.frames), clip)
        if before is not clip:
            found[clip.split].append((clip, before))
    return found


def _equals(pairs: Sequence[tuple[Clip, Clip]]) -> str:
    return some(f"{again.id} = {first.id}" for again, first in pairs)


def _ids(pairs: Sequence[tuple[Clip, Clip]]) -> tuple[str, ...]:
    return tuple(clip.id for pair in pairs for clip in pair)


CHECKS: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
    splits_missing,
    official_counts,
    classes_missing,
    class_order,
    faces_missing,
    faces_outside,
    box_geometry,
    unreadable,
    leaks,
    same_content,
    frame_counts,
    short_clips,
)
