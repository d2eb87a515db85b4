"""The same pictures, or the same person, in two splits: scores that remember and do not recognise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from harness.data.clips import SPLITS
from harness.sentinels import Finding, Reading, Sentinel, Watching
from harness.sentinels._shares import by_split
from harness.settings import knob
from harness.words import some

PAIRS = (("train", "val"), ("train", "test"), ("val", "test"))


class SplitLeak(Sentinel):
    """What was trained on is known by heart; what chose the epoch has had its say."""

    name = "split-leak"
    watches = "pictures (pixel by pixel, whatever the file's name) and persons that two splits share"
    reason = (
        "shared clips can lift a score by their share of the split: up to `share` of the later one, a point of "
        "accuracy, is a warning, more an error. Shared persons are an error by the same measure, because where persons "
        "are known a split is meant to be by person: a face that was trained on is known whatever its expression"
    )
    failures = (17, 23)

    @dataclass(frozen=True)
    class Settings(Watching):
        share: float = knob(0.01, "share of a split that may leak before it is an error", low=0, high=1)

    def on_reading(self, reading: Reading) -> Iterator[Finding]:
        sizes = by_split(reading.scan.clips)
        for (one, other), leaked in _same_pictures(reading).items():
            message = f"{len(leaked)} of {sizes[other]} clips of {other} show the same pictures as clips of {one}"
            names = [f"{again} = {first}" for again, first in leaked.items()]
            mend = f"take them out of {one}: `harness data check` names them all"
            evidence = {"splits": [one, other], "clips": len(leaked), "of": sizes[other], "pairs": names[:5]}
            severity = self._severity(len(leaked), sizes[other])
            yield Finding(f"{message}: {some(names)}", mend, evidence, f"{one}, {other}: pictures", severity)
        for (one, other), people in _same_people(reading).items():
            clips = sum(clip.split == other and clip.subject in people for clip in reading.scan.clips)
            message = f"{clips} of {sizes[other]} clips of {other} show {len(people)} persons who are in {one} too"
            mend = "use a split by person, or take these persons out of one of the two"
            evidence = {"splits": [one, other], "clips": clips, "of": sizes[other], "persons": sorted(people)[:5]}
            severity = self._severity(clips, sizes[other])
            yield Finding(f"{message}: {some(sorted(people))}", mend, evidence, f"{one}, {other}: persons", severity)

    def _severity(self, leaked: int, size: int) -> str:
        return "error" if leaked > self.settings.share * size else "warning"


def _same_pictures(reading: Reading) -> dict[tuple[str, str], dict[str, str]]:
    """By pair of splits, each clip of the later one with the clip of the earlier one that it repeats."""
    found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for first, split, again, other in reading.twins:
        if SPLITS.index(split) > SPLITS.index(other):
            first, split, again, other = again, other, first, split
        found[split, other][again] = first
    return found


def _same_people(reading: Reading) -> dict[tuple[str, str], set[str]]:
    people: dict[str, set[str]] = defaultdict(set)
    for clip in reading.scan.clips:
        if clip.subject:
            people[clip.split].add(clip.subject)
    return {pair: both for pair in PAIRS if (both := people[pair[0]] & people[pair[1]])}
