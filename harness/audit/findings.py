"""What the audit says: findings with kind, place, message, mend, and how clips are named and counted in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.data.clips import Clip, Note
from harness.errors import BadInput
from harness.words import plural, some

# A run stops at it; takes it, though it should be mended first; takes it as it is.
GRAVITIES = REFUSED, PROBLEM, NOTE = ("refused", "problem", "note")
TAKEN = {"label-without-video", "video-without-label"}  # notes of what a run takes; past its limits it is `refused`


@dataclass(frozen=True, slots=True)
class Finding(Note):
    """A note that knows which clips it befell, so that they can be shown."""

    clips: tuple[str, ...] = ()
    gravity: str = PROBLEM

    def as_json(self) -> dict[str, object]:
        plain = {"kind": self.kind, "where": self.where, "message": self.message, "mend": self.mend}
        return {**plain, "count": self.count, "clips": list(dict.fromkeys(self.clips)), "gravity": self.gravity}


def about(
    kind: str, where: str, clips: Sequence[Clip], message: str, mend: str = "", gravity: str = PROBLEM
) -> Finding:
    """A finding on clips: how many they are, what befell them, and three of them by name."""
    text = f"{plural(len(clips), 'clip')}: {message}: {some(clip.id for clip in clips)}"
    return Finding(kind, where, text, mend, len(clips), tuple(clip.id for clip in clips), gravity)


def from_note(note: Note, clips: tuple[str, ...] = ()) -> Finding:
    """A note of the adapter or the survey, with its count in the words, which a note's message leaves out."""
    message = note.message if note.count < 2 else f"{note.message} ({note.count:,} in all)"
    gravity = NOTE if note.kind in TAKEN or not note.mend else PROBLEM
    return Finding(note.kind, note.where, message, note.mend, note.count, clips, gravity)


def refused(error: BadInput) -> Finding:
    """What stops a run before it starts."""
    mend = error.mend or "mend it: a run stops here"
    return Finding("refused", error.where, error.what, mend, gravity=REFUSED)


def once(findings: Sequence[Finding]) -> list[Finding]:
    """One finding for each kind and place: the same said twice is said once, different words are joined."""
    kept: dict[tuple[str, str, str], Finding] = {}
    for finding in findings:
        key = finding.kind, finding.where, finding.gravity
        before = kept.get(key)
        if before is None:
            kept[key] = finding
        elif finding.message not in before.message:
            message, clips = f"{before.message}; {finding.message}", before.clips + finding.clips
            kept[key] = replace(before, message=message, count=before.count + finding.count, clips=clips)
    return list(kept.values())
