"""Clips that are labelled and not trained on, or trained on and not what is labelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from harness.data.clips import Clip
from harness.sentinels import Finding, Reading, Sentinel, Watching
from harness.sentinels._shares import by_split, differ, exceeds
from harness.settings import knob
from harness.words import some

COMPLETE = "complete the copy (`harness data check` names each clip), or say beside the results what was left out"


class UnreadableClips(Sentinel):
    """What is left out quietly makes another data set, and a file that can't be read must not become a grey clip."""

    name = "unreadable-clips"
    watches = "clips that are skipped or absent, by split and class; files that can't be read; listed frame counts"
    reason = (
        "a file that can't be read and is trained on all the same needs no threshold. Some absent clips are usual "
        "(published labels without a video), so a loss is worth a warning beyond chance of `share` (binomial, one in "
        "1000), an error at ten times that; and a class that loses more than the others by Fisher's exact test, one in "
        "1000 shared out over the classes, is biased whatever the total"
    )
    failures = (6, 19)

    @dataclass(frozen=True)
    class Settings(Watching):
        share: float = knob(0.01, "share of clips that may be lost, or be shorter than listed", low=0, high=0.1)

    def on_reading(self, reading: Reading) -> Iterator[Finding]:
        unread = set(reading.unreadable)
        grey = [clip.id for clip in reading.scan.clips if reading.probes[clip.id].error and clip.id not in unread]
        if grey:
            message = f"{len(grey)} clips can't be read and are trained or scored on all the same, as something else"
            mend = "replace the files, or leave them out with clips.unreadable = skip"
            yield Finding(f"{message}: {some(grey)}", mend, {"clips": grey[:20]}, "grey")
        lost = [*reading.scan.absent, *(clip for clip in reading.scan.clips if clip.id in unread)]
        labelled = [*reading.scan.present, *reading.scan.absent]
        yield from self._splits(lost, labelled)
        yield from self._classes(lost, labelled, reading.classes)
        yield from self._lengths(reading)

    def _splits(self, lost: list[Clip], labelled: list[Clip]) -> Iterator[Finding]:
        gone = by_split(lost)
        for split, size in by_split(labelled).items():
            if exceeds(gone[split], size, self.settings.share):
                severity = "error" if exceeds(gone[split], size, 10 * self.settings.share) else "warning"
                message = f"{gone[split]} of {size} labelled clips of {split} are absent or can't be read, so left out"
                evidence = {"split": split, "lost": gone[split], "clips": size}
                yield Finding(message, COMPLETE, evidence, split, severity)

    def _classes(self, lost: list[Clip], labelled: list[Clip], classes: tuple[str, ...]) -> Iterator[Finding]:
        gone, sizes = (Counter(clip.label for clip in clips) for clips in (lost, labelled))
        for label, name in enumerate(classes):
            rest, others = len(lost) - gone[label], len(labelled) - sizes[label]
            if differ(gone[label], sizes[label], rest, others, len(classes)):
                message = f"{name} loses {gone[label]} of {sizes[label]} clips, the other classes {rest} of {others}"
                evidence = {"class": name, "lost": gone[label], "clips": sizes[label], "elsewhere": rest}
                yield Finding(f"{message}: what is left is biased", COMPLETE, evidence, f"class {name}")

    def _lengths(self, reading: Reading) -> Iterator[Finding]:
        known = [(clip.frames, reading.probes[clip.id]) for clip in reading.scan.clips if clip.frames]
        short = sum(not look.error and listed > look.frames for listed, look in known)
        if exceeds(short, len(known), self.settings.share):
            message = f"{short} of {len(known)} clips have fewer frames than listed: the list was made for another "
            message += "extraction of the set. Frames are sampled from those that are there"
            mend = "use the media that the list was made for, where numbers are to be repeated"
            yield Finding(message, mend, {"shorter": short, "clips": len(known)}, "frames", "warning")
