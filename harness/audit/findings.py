"""What the audit says: findings with kind, place, message, mend, and how clips are named and counted in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.data.clips import Clip, Note
from harness.errors import BadInput
from harness.words import plural, some


@dataclass(frozen=True, slots=True)
class Finding(Note):
    """A note that knows which clips it befell, so that they can be shown. With a mend it is a problem."""

    clips: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        plain = {"kind": self.kind, "where": self.where, "message": self.message, "mend": self.mend}
        return {**plain, "count": self.count, "clips": list(dict.fromkeys(self.clips))}


def about(kind: str, where: str, clips: Sequence[Clip], message: str, mend: str = "") -> Finding:
    """A finding on clips: how many they are, what befell them, and three of them by name."""
    text = f"{plural(len(clips), 'clip')}: {message}: {some(clip.id for clip in clips)}"
    return Finding(kind, where, text, mend, len(clips), tuple(clip.id for clip in clips))


def from_note(note: Note, clips: tuple[str, ...] = ()) -> Finding:
    """A note of the adapter or the survey, with its count in the words, which a note's message leaves out."""
    message = note.message if note.count < 2 else f"{note.message} ({note.count:,} in all)"
    return Finding(note.kind, note.where, message, note.mend, note.count, clips)


def refused(error: BadInput) -> Finding:
    """What stops a run before it starts."""
    return Finding("refused", error.where, error.what, error.mend or "mend it: a run stops here")


def once(findings: Sequence[Finding]) -> list[Finding]:
    """One finding for each kind and place: the same said twice is said once, different words are joined."""
    kept: dict[tuple[str, str, bool], Finding] = {}
    for finding in findings:
        key = finding.kind, finding.where, bool(finding.mend)
        before = kept.get(key)
        if before is None:
            kept[key] = finding
        elif finding.message not in before.message:
            message, clips = f"{before.message}; {finding.message}", before.clips + finding.clips
            kept[key] = Finding(*key[:2], message, before.mend, before.count + finding.count, clips)
    return list(kept.values())
