"""What is asked of an adapter: that it tells the same of a copy each time and everywhere, and all that runs need.

A copy is the root that is given, else the small one that the adapter's `sample(root)` writes, else the set's
miniature. What is wrong with the copy itself is the audit's to say; the kit judges who reads it.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from harness import plan, protocol
from harness.audit import audit
from harness.conformance import knobs
from harness.conformance.verdicts import Failed, Spared, Warned
from harness.data.boxes import Boxes
from harness.data.clips import SPLITS, Clip
from harness.data.scan import Survey, scan, survey
from harness.data.sentences import MEND, faults
from harness.datasets import Folded, Listed, folds_of
from harness.errors import BadInput
from harness.protocol import Data
from harness.settings import parse
from harness.words import plural, some

TINY = {**{name: group() for name, group in protocol.GROUPS.items()}, "train": protocol.Train(limit=4)}
LEAKS = ("subject-leak", "split-leak")  # what an audit finds that makes scores flatter


@dataclass(frozen=True)
class Copy:
    """A data set and a copy of it. `complete` says that it is the user's, whose counts can be held to the official."""

    cls: Any
    settings: Any
    root: Path
    complete: bool

    def adapter(self, root: Path | None = None, settings: Any = None) -> Any:
        """The adapter of the first fold that the settings stand for, opened anew."""
        _, chosen = folds_of(self.cls, settings or self.settings)[0]
        return self.cls(chosen, root or self.root)

    def survey(self, root: Path | None = None) -> Survey:
        return survey(self.adapter(root))


@contextmanager
def opened(cls: Any, root: str) -> Iterator[Copy]:
    """The copy to look at. Raises `BadInput` where there is none."""
    with tempfile.TemporaryDirectory() as folder:
        if not root and hasattr(cls, "sample"):
            root = str(Path(folder) / (cls.folder or cls.name))
            cls.sample(Path(root))
            yield Copy(cls, *_placed(cls, root), complete=False)
        elif root:
            yield Copy(cls, *_placed(cls, root), complete=True)
        else:
            yield _miniature(cls)


def _placed(cls: Any, root: str) -> tuple[Any, Path]:
    settings = parse(cls.Settings, {"root": root}, f"data.{cls.name}")
    return settings, Path(os.path.abspath(cls.locate(settings)))


def _miniature(cls: Any) -> Copy:
    try:
        root = plan.open_copy(cls.name, cls.Settings(), TINY).adapter.root
    except BadInput as error:
        if error.where != f"data.{cls.name}.root":
            raise
        mend = "give the folder of a copy, or let the adapter write a small one: a classmethod sample(cls, root)"
        raise BadInput("--root", f"there is no copy of {cls.name} to read", mend) from error
    return Copy(cls, dataclasses.replace(cls.Settings(), root=str(root)), root, complete=False)


def declares(copy: Copy) -> str:
    """An adapter says what the set is, where it comes from, its classes, and what each setting means."""
    cls, told = copy.cls, knobs.declared(copy.cls)
    if not cls.title:
        raise Failed("`title` is empty", "give the name that tables show")
    if cls.metric not in ("war", "uar"):
        raise Failed(f"metric = {cls.metric!r}", 'one of "war" and "uar" is the primary metric')
    classes = copy.adapter().classes
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise Failed(f"classes are {', '.join(classes) or 'none'}", "name at least two, each once, in label order")
    return f"{told}; {len(classes)} classes"


def reads(copy: Copy) -> str:
    """It reads the copy: ids unique, labels in range, splits known, and media there."""
    found = copy.survey()
    if not found.clips and not found.absent:
        raise Failed("the adapter gives no clip", "see what `entries` or `clips` yields for this copy")
    if not found.clips:
        raise Failed(f"none of {plural(len(found.absent), 'labelled clip')} is on disk", "see how media paths are made")
    counts = Counter(clip.split for clip in found.clips)
    for split in ("train", "test"):
        if not counts[split]:
            raise Failed(f"no clip of {split}: {dict(counts)}", "runs train on train and report on test")
    told = ", ".join(f"{split} {counts[split]}" for split in SPLITS if counts[split])
    return f"{told}; {len(found.absent)} labelled clips not on disk, {plural(len(found.adapter.notes), 'note')}"


def repeats(copy: Copy) -> str:
    """The index is a fact of the copy: the same again, and wherever the copy lies."""
    first, again = copy.survey(), copy.survey()
    print_ = first.fingerprint(first.clips)
    _same(first.clips, again.clips, "read twice, the copy has")
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = Path(folder) / copy.root.name
        elsewhere.symlink_to(copy.root.resolve(), target_is_directory=True)
        moved = copy.survey(elsewhere)
    _same(first.clips, moved.clips, "read at another place, the copy has")
    return f"fingerprint {print_}, the same again and at another place"


def _same(one: list[Clip], two: list[Clip], what: str) -> None:
    if one != two:
        odd = [a.id for a, b in zip(one, two, strict=False) if a != b] or ["another number of clips"]
        raise Failed(f"{what} other clips: {some(odd)}", "sort what folders list, and keep paths below the root")


def paths(copy: Copy) -> str:
    """Nothing of this machine leaves an adapter: ids and media are plain paths below the root."""
    clips = copy.survey().clips
    for clip in clips:
        for name in (clip.id, clip.media):
            plain = PurePosixPath(name)
            if plain.is_absolute() or ".." in plain.parts or "\\" in name or str(copy.root) in name:
                raise Failed(f"{clip.id}: {name!r}", "give posix paths below the root")
    return f"ids such as {clips[0].id}, media such as {clips[0].media}"


def learns(copy: Copy) -> str:
    """Every class has training clips: a class without any is not read, or its label is another's."""
    adapter = copy.adapter()
    found = Counter(clip.label for clip in survey(adapter).clips if clip.split == "train")
    if gone := [name for label, name in enumerate(adapter.classes) if not found[label]]:
        raise Failed(f"no training clip of {some(gone)}", "see how labels are made, or add such clips to the copy")
    return "training clips: " + ", ".join(f"{name} {found[n]}" for n, name in enumerate(adapter.classes))


def describes(copy: Copy) -> str:
    """A sentence of visible cues for each class: the prompts."""
    adapter = copy.adapter()
    sentences = adapter.descriptions()
    if wrong := faults(adapter.classes, sentences):
        raise Failed("; ".join(wrong), MEND)
    return f"{adapter.classes[0]}: {sentences[0]!r}, and {len(sentences) - 1} more"


def counts(copy: Copy) -> str:
    """The labelled clips are as many as the set officially has."""
    adapter = copy.adapter()
    official = adapter.sizes()
    if not official:
        raise Spared("`official` declares no numbers")
    if not copy.complete:
        raise Spared("a small copy: give the whole set with --root")
    found = survey(adapter)
    there = Counter(clip.split for clip in found.clips + found.absent)
    if off := [f"{name} {there[name]:,} of {size:,}" for name, size in official.items() if there[name] != size]:
        raise Failed(f"clips: {', '.join(off)}", "mend the copy, or the adapter's `official`")
    return "as officially: " + ", ".join(f"{name} {size:,}" for name, size in official.items())


def boxed(copy: Copy) -> str:
    """Face boxes are keyed by what their file says, so that nearly all clips find theirs."""
    adapter = copy.adapter()
    clips = survey(adapter).clips
    hits = sum(clip.face is not None for clip in clips)
    boxes: Boxes | None = adapter.boxes
    if boxes is None and not hits:
        raise Spared(f"no box file, and no clip has a box: the face stream is a {adapter.stand_in}")
    told = f"{hits} of {plural(len(clips), 'clip')} have a face box"
    if hits < (1 - TINY["face"].max_missing) * len(clips):
        raise Failed(told, f"see how the file spells its keys{f': {boxes.neighbours()}' if boxes else ''}")
    return told


def turns(copy: Copy) -> str:
    """Every setting of its own changes what is read."""
    shared = {field.name for group in (Data, Listed, Folded) for field in knobs.fields(group)}
    own = [field for field in knobs.fields(copy.cls.Settings) if field.name not in shared]
    if not own:
        raise Spared("it has no settings of its own")

    def read(settings: Any) -> str:
        try:
            adapter = copy.adapter(settings=settings)
            return repr((survey(adapter).clips, adapter.classes, adapter.descriptions()))
        except BadInput:
            return ""  # refused: another value may be taken

    found = {field.name: knobs.turn(copy.settings, field, read) for field in own}
    if dead := [name for name, told in found.items() if told is None]:
        what = f"no value of {', '.join(dead)} changes what is read of this copy"
        raise Failed(what, "read self.settings where clips are made, or let the copy hold a case that shows it")
    return "; ".join(filter(None, found.values()))


def audits(copy: Copy) -> str:
    """An audit goes through, and so does what a run would do with the copy."""
    face = copy.cls.faced(TINY["face"])
    sections = {**TINY, "face": face}
    found = audit(copy.cls, copy.settings, sections, lambda done, total: None)
    if fatal := [problem for problem in found.problems if problem.kind in ("refused", "unreadable-clip")]:
        raise Failed(f"{fatal[0].where}: {fatal[0].message}", fatal[0].mend)
    scan(copy.adapter(), TINY["train"], face, TINY["clips"])
    for leak in (problem for problem in found.problems if problem.kind in LEAKS):
        raise Warned(f"goes through, and finds {leak.kind}: {leak.where}: {leak.message}", leak.mend)
    if not found.problems:
        return "the audit finds no problem in this copy"
    kinds = ", ".join(dict.fromkeys(problem.kind for problem in found.problems))
    seen = f": see harness data check {copy.cls.name} --root {copy.root}" if copy.complete else ""
    return f"goes through; of this copy it tells {kinds}{seen}"


BASIS = ("declares", "reads")  # what the checks behind them stand on
CHECKS = {
    "declares": declares,
    "reads": reads,
    "repeats": repeats,
    "paths": paths,
    "classes": learns,
    "descriptions": describes,
    "official": counts,
    "boxes": boxed,
    "knobs": turns,
    "audit": audits,
}
