"""What is in a copy of a data set, and what is wrong with it, before a run spends a day on it.

`audit` reads the copy as a run would (`scan.survey`), looks at every medium (`probe`), counts, and checks; what a
run would refuse is one problem more here, beside all others, so that a user mends them in one go. Counts are of
the labelled clips in their official splits, before anything is held out or left out, so that a list can be held
against the official numbers even where no media lie. How it is said stands in `text` and `page`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.audit import checks
from harness.audit.checks import Evidence
from harness.audit.findings import GRAVITIES, NOTE, Finding, from_note, once, refused
from harness.data import media
from harness.data.clips import SPLITS, Clip, Progress
from harness.data.scan import Survey, hold_out, refusals, survey
from harness.errors import BadInput
from harness.protocol import Clips
from harness.words import SHOWN

if TYPE_CHECKING:
    from harness.data.manifest import Manifest
    from harness.data.probe import Probe
    from harness.datasets import Adapter


@dataclass(frozen=True)
class Fold:
    """One fold of a copy (or the whole of a set without folds) as it was read."""

    name: str  # "" where the set has no folds
    adapter: Any
    labelled: list[Clip]
    survey: Survey | None  # None: a run would refuse it
    findings: list[Finding]
    probes: dict[str, Probe] = field(default_factory=dict)

    @property
    def present(self) -> list[Clip]:
        return self.survey.clips if self.survey else []

    @functools.cached_property
    def manifest(self) -> str:
        """The hash that a run on this fold would store; empty where it can't be trusted."""
        from harness.data import manifest

        name, classes = self.adapter.name, self.adapter.classes
        return manifest.hash_of(name, classes, self.present, self.probes) if self.present else ""


@dataclass(frozen=True)
class Audit:
    """What is there, and what is wrong. `fold` is the one whose clips were looked at in full."""

    dataset: str
    root: Path
    fold: Fold
    folds: dict[str, Fold]  # all that are there; empty for a set without folds
    splits: dict[str, dict[str, Any]]
    holdout: dict[str, int]  # clips of each class that a run would hold out of train; empty: there is an official val
    findings: list[Finding]

    @property
    def problems(self) -> list[Finding]:
        """What stands in the way, refusals first."""
        found = [finding for finding in self.findings if finding.gravity != NOTE]
        return sorted(found, key=lambda finding: GRAVITIES.index(finding.gravity))

    @property
    def remarks(self) -> list[Finding]:
        """What a run takes as it is, and how the copy was read."""
        found = [finding for finding in self.findings if finding.gravity == NOTE]
        return sorted(found, key=lambda finding: not finding.mend)

    def as_json(self) -> dict[str, Any]:
        """What `harness data check --json` prints: under `problems` whatever has a mend, the gravest first."""
        mendable = [remark for remark in self.remarks if remark.mend]
        return {
            "dataset": self.dataset,
            "root": str(self.root),
            "fold": self.fold.name,
            "manifest": self.fold.manifest,
            "splits": self.splits,
            "holdout": self.holdout,
            "folds": {name: {"manifest": fold.manifest, "splits": _counts(fold)} for name, fold in self.folds.items()},
            "problems": [finding.as_json() for finding in self.problems + mendable],
            "remarks": [finding.as_json() for finding in self.remarks if not finding.mend],
        }


def audit(cls: type[Adapter], settings: Any, sections: Mapping[str, Any], progress: Progress) -> Audit:
    """Audits the copy that `settings` point at. Raises `BadInput` where there is no such folder."""
    root = cls.locate(settings)
    folds = look(cls, settings, root, progress)
    fold = next((fold for fold in folds if fold.labelled), folds[0])
    clips = sections["clips"]
    findings = [*_refusals(fold, sections), *fold.findings, *checks.run(evidence(fold, clips))]
    findings += _of_folds([other for other in folds if other is not fold], clips)
    splits = _counts(fold, clips)
    named = {other.name: other for other in folds if other.name and other.labelled}
    holdout = _held_out(fold, sections["train"].holdout)
    return Audit(fold.adapter.name, root, fold, named, splits, holdout, once(findings))


def manifest_of(cls: type[Adapter], settings: Any, progress: Progress) -> Manifest:
    """The manifest of a copy, with the splits of all folds that are there. Raises `BadInput` where a run would."""
    from harness.data import manifest

    root = cls.locate(settings)
    folds = look(cls, settings, root, progress)
    whole = [fold for fold in folds if fold.present]
    for fold in folds:
        if not fold.survey and not (whole and fold.name):
            raise BadInput(*_refusal(fold))
    if not whole:
        raise BadInput(str(root), "none of the labelled clips is there", "complete the copy")
    splits: dict[str, dict[str, str]] = {}
    for fold in whole:
        for clip in fold.present if fold.name else ():
            splits.setdefault(clip.id, {})[fold.name] = clip.split
    clips = {clip.id: clip for fold in whole for clip in fold.present}
    probes = {id: probe for fold in whole for id, probe in fold.probes.items()}
    adapter = whole[0].adapter
    return manifest.of(adapter.name, adapter.classes, clips.values(), probes, splits)


def look(cls: type[Adapter], settings: Any, root: Path, progress: Progress) -> list[Fold]:
    """Every fold that the settings ask for, read; each medium is looked at once, whichever folds it is in."""
    from harness.datasets import folds_of

    media.forget()
    folds = [read(cls(one, root), getattr(one, "fold", "")) for _, one in folds_of(cls, settings)]
    there: dict[str, Clip] = {clip.id: clip for fold in folds for clip in fold.present}
    if not there:
        return folds
    from harness.data.probe import probes

    seen = probes(root, list(there.values()), progress)
    return [dataclasses.replace(f, probes={clip.id: seen[clip.id] for clip in f.present}) for f in folds]


def read(adapter: Any, name: str) -> Fold:
    """A fold's labels and media, as far as they can be read: what a run would refuse becomes a finding."""
    try:
        found = survey(adapter)
    except BadInput as error:
        labelled = _as_far_as_it_goes(adapter)
        notes = [from_note(note) for note in adapter.notes]
        return Fold(name, adapter, labelled, None, [refused(error), *_listed_twice(labelled), *notes])
    labelled = sorted(found.clips + found.absent, key=lambda clip: SPLITS.index(clip.split))
    ours = {"frame-count"}  # said by a check here, of videos too
    said = [note for note in adapter.notes + found.notes if note.kind not in ours]
    befell = getattr(adapter, "befell", {}) | found.befell
    notes = [from_note(note, befell.get(note, ())) for note in said]
    return Fold(name, adapter, labelled, found, notes)


def evidence(fold: Fold, clips: Clips) -> Evidence:
    return Evidence(
        adapter=fold.adapter,
        classes=tuple(fold.adapter.classes),
        official=fold.adapter.sizes(),
        official_note=fold.adapter.official_note,
        labelled=fold.labelled,
        present=fold.present,
        has_boxes=fold.survey.has_boxes if fold.survey else fold.adapter.boxes is not None,
        frames=clips.frames,
        spare=clips.max_absent,
        skips=clips.unreadable == "skip",
        probes=fold.probes,
    )


def _refusals(fold: Fold, sections: Mapping[str, Any]) -> Iterator[Finding]:
    """What a run with these settings would refuse of a copy that could be read."""
    if fold.survey:
        for error in refusals(fold.survey, sections["train"], sections["face"], sections["clips"]):
            yield refused(BadInput(error.where, f"a run refuses this: {error.what}", error.mend))


def _as_far_as_it_goes(adapter: Any) -> list[Clip]:
    """The clips with a valid label and split that come before whatever is refused."""
    clips: list[Clip] = []
    with contextlib.suppress(BadInput):  # it is the finding `refused` already
        clips.extend(clip for clip in adapter.clips() if clip.split in SPLITS)
    return [clip for clip in clips if 0 <= clip.label < len(adapter.classes)]


def _listed_twice(labelled: Sequence[Clip]) -> list[Finding]:
    """All clips that stand in two splits; `refused` names the first alone."""
    places: dict[str, set[str]] = {}
    for clip in labelled:
        places.setdefault(clip.id, set()).add(clip.split)
    twice = list({clip.id: clip for clip in labelled if len(places[clip.id]) > 1}.values())
    if not twice:
        return []
    splits = ", ".join(split for split in SPLITS if any(split in places[clip.id] for clip in twice))
    return [checks.about("split-leak", splits, twice, "listed in two splits", "keep each clip in one list only")]


def _counts(fold: Fold, clips: Clips | None = None) -> dict[str, dict[str, Any]]:
    """The numbers of each split; with settings, also how many clips are shorter than these sample."""
    seen = evidence(fold, clips or Clips())
    doubled = checks.duplicates(seen)
    there = {clip.id for clip in seen.present}
    splits = {}
    for split in seen.splits:
        of = seen.of(split)
        labels = Counter(clip.label for clip in of)
        found = sum(clip.face is not None for clip in of)
        probed = [(clip, fold.probes[clip.id]) for clip in of if clip.id in fold.probes]
        splits[split] = {
            "clips": len(of),
            "official": seen.official.get(split),
            "classes": {name: labels[label] for label, name in enumerate(seen.classes)},
            "absent": sum(clip.id not in there for clip in of) if fold.survey else None,
            "faces_found": found,
            "faces_missing": len(of) - found,
            "unreadable": sum(bool(probe.error) for _, probe in probed),
            "duplicates": len(doubled.get(split, [])),
        }
        if clips:
            short = [clip for clip, probe in probed if not probe.error and checks.is_short(clip, probe, clips.frames)]
            splits[split]["short"] = len(short)
    return splits


def _held_out(fold: Fold, share: float) -> dict[str, int]:
    if not fold.present or any(clip.split == "val" for clip in fold.present):
        return {}
    train = [clip for clip in fold.present if clip.split == "train"]
    held = hold_out(train, share)
    labels = Counter(clip.label for clip in train if clip.id in held)
    return {name: labels[label] for label, name in enumerate(fold.adapter.classes)}


def _of_folds(folds: Sequence[Fold], clips: Clips) -> Iterator[Finding]:
    """What is said of the folds that are audited for their counts alone: the same of many in one."""
    said: dict[tuple[str, str], list[tuple[str, Finding]]] = {}
    for fold in folds:
        for finding in _of_fold(fold, clips):
            said.setdefault((finding.kind, finding.where), []).append((fold.name, finding))
    for (kind, where), same in said.items():
        names = ", ".join(name for name, _ in same)
        messages = [f"fold {name}: {finding.message}" for name, finding in same]
        text = "; ".join(messages[:SHOWN]) + ("; …" if len(messages) > SHOWN else "")
        count, ids = sum(finding.count for _, finding in same), tuple(id for _, f in same for id in f.clips)
        place = f"{where}, fold{'s' * (len(same) > 1)} {names}"
        gravest = min((finding.gravity for _, finding in same), key=GRAVITIES.index)
        yield Finding(kind, place, text, same[0][1].mend, count, ids, gravest)


def _of_fold(fold: Fold, clips: Clips) -> Iterator[Finding]:
    for refusal in (finding for finding in fold.findings if finding.kind == "refused"):
        lacks_lists = Path(refusal.where).is_dir()  # else a file and its line are named
        yield dataclasses.replace(refusal, kind="fold-missing") if lacks_lists else refusal
    for check in (checks.splits_missing, checks.official_counts, checks.classes_missing):
        yield from check(evidence(fold, clips))


def _refusal(fold: Fold) -> tuple[str, str, str]:
    finding = next(finding for finding in fold.findings if finding.kind == "refused")
    return finding.where, finding.message, finding.mend
