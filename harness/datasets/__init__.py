"""Adapters: one file a data set, turning its own layout on disk into clips and nothing else.

To add a set, write `harness/datasets/NAME.py` (or any file, with `--plugin FILE.py`) with one subclass of
`Adapter`: fill in the class variables, and if its files are `train.txt`-like lists or a tree of class folders,
that is all. A layout of another kind overrides `entries`; one that fits nothing here overrides `clips`.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import posixpath
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from harness import plugins
from harness.data import folders, listfiles
from harness.data.boxes import Boxes
from harness.data.clips import Clip, Note
from harness.data.labels import (
    compare_splits,
    compare_with_folders,
    first_label,
    refuse_one_shifted,
    refuse_other_bases,
)
from harness.data.lists import Line, read_list
from harness.data.paths import existing, place
from harness.datasets._entries import Entry, Folded, Listed
from harness.errors import BadInput, nearest
from harness.protocol import Face
from harness.words import some

__all__ = ["Adapter", "Entry", "Folded", "Listed", "folds_of", "our_sentences"]

DESCRIPTIONS = Path(__file__).with_name("descriptions.toml")


class Adapter:
    """A data set. Subclass, set the class variables, and override as little as the layout needs.

    What is dropped, defaulted or guessed goes to `self.note`; what can't be trusted raises `BadInput` naming
    `file:line`. Paths below the root are all that leaves an adapter; `scan` checks the rest.
    """

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    folder: ClassVar[str] = ""  # what the native root folder is called
    classes: tuple[str, ...] = ()  # in label order; a set whose copies differ sets its own when opened
    metric: ClassVar[str] = "war"  # "war" | "uar"
    folds: ClassVar[int] = 0  # official folds; an adapter reads one of them
    official: ClassVar[dict[str, int]] = {}  # official clips per split, where known
    official_folds: ClassVar[tuple[dict[str, int], ...]] = ()  # the same of each fold
    official_note: ClassVar[str] = ""  # what to know about these numbers
    boxed: ClassVar[bool] = False  # the set as published has a face box for each clip
    stand_in: ClassVar[str] = "center-crop"  # for a missing face box, where face.missing is auto
    Settings: ClassVar[type] = Listed

    aliases: ClassVar[dict[str, str]] = {}  # other spellings of class folders
    lists: ClassVar[tuple[str, ...]] = ()  # folders of the set's own lists, below the root
    splits: ClassVar[dict[str, str]] = {  # what split folders and lists are called
        "train": "train",
        "validation": "val",
        "valid": "val",
        "val": "val",
        "test": "test",
    }

    def __init__(self, settings: Any, root: Path) -> None:
        self.settings, self.root = settings, Path(root)
        self.notes: list[Note] = []
        self.befell: dict[Note, tuple[str, ...]] = {}  # the clips of a note that names a few of them
        self.boxes: Boxes | None = None  # once `clips` has run
        self.home: Path | None = None  # where the annotations were found

    @classmethod
    def locate(cls, settings: Any) -> Path:
        """The folder on this machine that the settings' root stands for."""
        root = Path(os.path.expanduser(settings.root))
        if not root.is_dir():
            mend = f"give the folder that is called {cls.folder!r} in the original" if cls.folder else "give a folder"
            raise BadInput(f"data.{cls.name}.root", f"no folder {root}", mend)
        return root

    @classmethod
    def faced(cls, face: Face) -> Face:
        """The settings of the face stream, as they are for this set."""
        return dataclasses.replace(face, missing=cls.stand_in) if face.missing == "auto" else face

    def note(
        self, kind: str, where: str, message: str, mend: str = "", count: int = 1, clips: Iterable[str] = ()
    ) -> None:
        """Tells the user of something dropped, defaulted or guessed: one note for all clips it befell."""
        told = Note(kind, where, message, mend, count)
        if told not in self.notes:
            self.notes.append(told)
            self.befell[told] = tuple(clips)

    def sizes(self) -> dict[str, int]:
        """Official clips per split (of this fold), where known."""
        fold = getattr(self.settings, "fold", "all")
        return self.official if fold == "all" or not self.official_folds else self.official_folds[int(fold) - 1]

    def descriptions(self) -> tuple[str, ...]:
        """A sentence of visible cues for each class, in label order: the user's own, else ours."""
        told = getattr(self.settings, "descriptions", {})
        found = told or self.sentences(our_sentences())
        where = f"data.{self.name}.descriptions" if told else f"{DESCRIPTIONS.name} [{self.name}]"
        for name in found:
            if name not in self.classes:
                raise BadInput(where, f"{name!r} is no class of {self.name}", nearest(name, self.classes))
        missing = [name for name in self.classes if not found.get(name)]
        if missing:
            mend = "give one sentence for every class, or override `descriptions` in the adapter"
            raise BadInput(where, f"no sentence for {', '.join(missing)}", mend)
        return tuple(found[name] for name in self.classes)

    def sentences(self, known: Mapping[str, Any]) -> Mapping[str, str]:
        """This set's part of `descriptions.toml`."""
        return known.get(self.name, {})

    def clips(self) -> Iterator[Clip]:
        """The clips of this copy, with their boxes. May be run again; notes are of the latest run."""
        self.notes.clear()
        self.befell.clear()
        entries = list(self.entries())
        self.boxes = self.boxes_of(entries, self.files("faces", "*face*.json"))
        bodies = None
        if hasattr(self.settings, "bodies"):
            bodies = self.boxes_of(entries, self.files("bodies", "*bod*.json"), "body")
        converted = 0
        for entry in entries:
            media, key = self.on_disk(entry.path), entry.key
            body = bodies.get(key) if bodies else None
            converted += media != entry.path
            yield Clip(
                id=key[2],
                media=media,
                label=entry.label,
                split=entry.split,
                frames=entry.frames,
                face=self.boxes.get(key) if self.boxes else None,
                body=body.get("") if body else None,
                subject=entry.subject or self._subject(entry.path),
            )
        if converted:
            message = "clips lie here in another form than annotated (extracted frames, another container)"
            self.note("media-converted", str(self.root), message, count=converted)

    def entries(self) -> Iterator[Entry]:
        """The annotations: from lists where there are any, else from the folders' names."""
        lists = self._lists()
        yield from self._from_lists(lists) if lists else self._from_folders()

    def placed(self, lines: Sequence[Line], where: str) -> list[tuple[str, str]]:
        """Where the clips of these lines lie, below the root, and their ids (empty: as `Entry` says)."""
        paths = place([line.path for line in lines], self.root, self.splits, where, self.note)
        self.unlabelled(self.split_folders(), paths)
        return [(path, "") for path in paths]

    def on_disk(self, path: str) -> str:
        """The form in which an annotated clip lies in this copy; `path` itself where it is not there at all."""
        return existing(self.root, path) or path

    # --- where things are -----------------------------------------------------------------------------------

    def places(self) -> list[Path]:
        """Where annotations are looked for, in order."""
        if not self.settings.annotations:
            homes = [self.root, self.root / "annotations", self.root.parent / "annotations"]
            return [*(self.root / name for name in self.lists), *homes]
        told = Path(os.path.expanduser(self.settings.annotations))
        if not told.is_dir():
            raise BadInput(f"data.{self.name}.annotations", f"no folder {told}", "give the folder of the lists")
        return [*(told / name for name in self.lists), told]

    def files(self, setting: str, pattern: str) -> list[Path]:
        """The box file that a setting names, or those that match in the first place that has any.

        `annotations/` beside the root is searched only where the lists came from there: it may be another set's.
        """
        told = getattr(self.settings, setting)
        if not told:
            folders = [*([self.home] if self.home else []), self.root, self.root / "annotations"]
            own, others = self._owners()
            there = (sorted(file for file in folder.glob(pattern) if file.is_file()) for folder in folders)
            found = (listfiles.own_files(files, own, others) for files in there)
            return next((files for files in found if files), [])
        file = Path(os.path.expanduser(told))
        if not file.is_file():
            raise BadInput(f"data.{self.name}.{setting}", f"no file {file}", "give the path of the box file")
        return [file]

    def boxes_of(self, entries: Sequence[Entry], files: Sequence[Path], kind: str = "face") -> Boxes | None:
        """The boxes of these files, by the spelling of keys that suits the entries."""
        keys = [entry.key for entry in entries]
        return Boxes(files, keys, self.folder, self.splits, self.note, kind) if files else None

    def unlabelled(self, below: Iterable[str], labelled: Iterable[str], mend: str = "complete the lists") -> None:
        """Notes the media below these folders that no annotation speaks of."""
        if extra := folders.beyond(self.root, below, labelled):
            message = f"in this copy but in no list, so left out: {some(extra)}"
            self.note("video-without-label", str(self.root), message, mend, len(extra), extra)

    def split_folders(self, below: str = "") -> dict[str, str]:
        """The split folders there are, as paths below the root, and the split each holds."""
        names = sorted(entry.name for entry in (self.root / below).iterdir() if entry.is_dir())
        known = {name: self.splits[name.casefold()] for name in names if name.casefold() in self.splits}
        return {posixpath.join(below, name): split for name, split in known.items()}

    def inside(self) -> str:
        """Where the root is one folder too high: the folder in it that is meant. Else empty."""
        inner = self.root / self.folder
        return f"did you mean {inner}?" if self.folder and inner.is_dir() else ""

    # --- lists, and trees of class folders ------------------------------------------------------------------

    def _owners(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        own = tuple({name.casefold() for name in (self.name, self.folder) if name})
        others = plugins.names("datasets") if self.folder else ()  # a folder of your own may be called as you like
        return own, tuple(name for name in others if name not in own)

    def _lists(self) -> dict[str, Path]:
        fold = getattr(self.settings, "fold", "")
        if self.folds and fold == "all":
            raise BadInput(f"data.{self.name}.fold", "one fold is read at a time", f"give one of 1 to {self.folds}")
        names = listfiles.Names(*self._owners(), self.splits, self.folds, f"data.{self.name}.annotations")
        lists = listfiles.find(self.places(), self.root, names, fold, self.note)
        if not lists and self.settings.annotations:
            mend = "they are called train.txt, validation.txt, test.txt, or end so"
            raise BadInput(self.settings.annotations, "holds no lists", mend)
        return lists

    def _from_lists(self, lists: Mapping[str, Path]) -> Iterator[Entry]:
        known = {name.casefold(): label for name, label in self._spellings().items()}
        read = {split: read_list(file, self.note, known) for split, file in lists.items()}
        lines = [line for part in read.values() for line in part]
        splits = [split for split, part in read.items() for _ in part]
        self.home = next(iter(lists.values())).parent
        where = str(self.home)
        if not lines:
            raise BadInput(where, "the lists are empty", "give lists of `path frames label` lines")
        told, setting = getattr(self.settings, "first_label", "auto"), f"data.{self.name}.first_label"
        refuse_other_bases(read.values(), len(self.classes))
        first, why = first_label(lines, self.classes, told, setting, known)
        refuse_one_shifted(read.values(), first, self.classes, known)
        self.note("first-label", where, f"labels start at {first}: {why}", count=len(lines))
        compare_with_folders(lines, first, self.classes, known, setting, self.note)
        places = self.placed(lines, where)
        compare_splits([path for path, _ in places], splits, self.splits, where, self.note)
        for (path, id), line, split in zip(places, lines, splits, strict=True):
            yield Entry(path, line.label - first, split, line.frames, written=line.path, id=id)

    def _from_folders(self) -> Iterator[Entry]:
        splits = self.split_folders()
        if not splits:
            mend = f"give lists (data.{self.name}.annotations), or train/<class>/ and test/<class>/ folders"
            what = "holds neither annotation lists nor split folders"
            raise BadInput(str(self.root), what, self.inside() or mend)
        self.note("labels-from-folders", str(self.root), "no lists: labels are the class folders' names")
        for path, label, split in folders.labelled(self.root, splits, self._spellings(), self.note):
            yield Entry(path, label, split)

    def _spellings(self) -> dict[str, int]:
        """Every spelling of a class and its label."""
        known = {name: label for label, name in enumerate(self.classes)}
        return known | {other: known[name] for other, name in self.aliases.items()}

    def _subject(self, path: str) -> str:
        pattern = getattr(self.settings, "subject", "")
        if not pattern:
            return ""
        try:
            match = re.search(pattern, path)
            return (match[1] or "") if match else ""
        except (re.error, IndexError) as error:
            where = f"data.{self.name}.subject"
            raise BadInput(where, f"{pattern!r}: {error}", "give a regular expression with one group") from error


@functools.cache
def our_sentences() -> Mapping[str, Any]:
    """Our own sentences for the classes, `descriptions.toml`: by data set (and affect), class by class."""
    return tomllib.loads(DESCRIPTIONS.read_text(encoding="utf-8"))


def folds_of(cls: type[Adapter], settings: Any) -> list[tuple[str, Any]]:
    """The names of the copies that a data set's settings stand for, each with its own settings: one for each fold."""
    if not cls.folds:
        return [(cls.name, settings)]
    asked = [str(n + 1) for n in range(cls.folds)] if settings.fold == "all" else [settings.fold]
    return [(f"{cls.name} fold {fold}", dataclasses.replace(settings, fold=fold)) for fold in asked]
