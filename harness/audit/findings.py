"""What the audit says: findings with kind, place, message, mend, and how clips are named and counted in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.data.clips import Clip, Note
from harness.errors import BadInput
from harness.words import plural, some

TAKEN = {"label-without-video", "video-without-label"}  # notes of what a run takes; past its limits it is `refused`


@dataclass(frozen=True, slots=True)
class Finding(Note):
    """A note that knows which clips it befell, so that they can be shown."""

    clips: tuple[str, ...] = ()
    taken: bool = False  # by a run, as it is and within its limits
    stops: bool = False  # a run stops at it, as at what is `refused`

    @property
    def gravity(self) -> str:
        """What a run refuses; what it takes though it should be mended first; what is only to be known."""
        if self.kind == "refused" or self.stops:
            return "refused"
        return "problem" if self.mend and not self.taken else "note"

    def as_json(self) -> dict[str, object]:
        plain = {"kind": self.kind, "where": self.where, "message": self.message, "mend": self.mend}
        return {**plain, "count": self.count, "clips": list(dict.fromkeys(self.clips)), "gravity": self.gravity}


def about(
    kind: str, where: str, clips: Sequence[Clip], message: str, mend: str = "", taken: bool = False, stops: bool = False
) -> Finding:
    """A finding on clips: how many they are, what befell them, and three of them by name."""
    text = f"{plural(len(clips), 'clip')}: {message}: {some(clip.id for clip in clips)}"
    return Finding(kind, where, text, mend, len(clips), tuple(clip.id for clip in clips), taken, stops)


def from_note(note: Note, clips: tuple[str, ...] = ()) -> Finding:
    """A note of the adapter or the survey, with its count in the words, which a note's message leaves out."""
    message = note.message if note.count < 2 else f"{note.message} ({note.count:,} in all)"
    return Finding(note.kind, note.where, message, note.mend, note.count, clips, note.kind in TAKEN)


def refused(error: BadInput) -> Finding:
    """What stops a run before it starts."""
    return Finding("refused", error.where, error.what, error.mend or "mend it: a run stops here")


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
