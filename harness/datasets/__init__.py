"""Adapters: one file a data set, turning its own layout on disk into clips and nothing else.

To add a set, write `harness/datasets/NAME.py` (or any file, with `--plugin FILE.py`) with one subclass of
`Adapter`: fill in the class variables, and if its files are `train.txt`-like lists or a tree of class folders,
that is all. A layout of another kind overrides `entries`; one that fits nothing here overrides `clips`.
"""

from __future__ import annotations

import posixpath
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from harness.boxes import Boxes
from harness.clips import SPLITS, Clip, Note, frame_names
from harness.errors import BadInput, nearest
from harness.lists import existing, first_label, media_below, place, read_list, stem
from harness.protocol import Data
from harness.settings import knob


@dataclass(frozen=True)
class Listed(Data):
    """What a set with `path frames label` lists may need to be told."""

    first_label: str = knob(
        "auto", "where the lists' labels start; auto: as the lists show", choices=("auto", "0", "1")
    )
    subject: str = knob("", "regular expression whose first group, in a clip's path, is the person; empty: unknown")


@dataclass(frozen=True, slots=True)
class Entry:
    """An annotation, before its media and boxes are looked up."""

    path: str  # below the root
    label: int
    split: str
    frames: int = 0
    subject: str = ""
    written: str = ""  # the path as a list writes it
    id: str = ""  # empty: the path without extension


class Adapter:
    """A data set. Subclass, set the class variables, and override as little as the layout needs.

    What is dropped, defaulted or guessed goes to `self.note`; what can't be trusted raises `BadInput` naming
    `file:line`. Paths below the root are all that leaves an adapter; `clips.scan` checks the rest.
    """

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    folder: ClassVar[str] = ""  # what the native root folder is called
    classes: ClassVar[tuple[str, ...]] = ()  # in label order
    metric: ClassVar[str] = "war"  # "war" | "uar"
    official: ClassVar[dict[str, int]] = {}  # official clips per split, where known
    Settings: ClassVar[type] = Listed

    aliases: ClassVar[dict[str, str]] = {}  # other spellings of class folders
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
        self.boxes: Boxes | None = None  # once `clips` has run
        self.home: Path | None = None  # where the annotations were found

    def note(self, kind: str, where: str, message: str, mend: str = "", count: int = 1) -> None:
        """Tells the user of something dropped, defaulted or guessed: one note for all clips it befell."""
        self.notes.append(Note(kind, where, message, mend, count))

    def descriptions(self) -> tuple[str, ...]:
        """A sentence of visible cues for each class, in label order."""
        file = Path(__file__).with_name("descriptions.toml")
        known: dict[str, dict[str, str]] = tomllib.loads(file.read_text(encoding="utf-8"))
        found = known.get(self.name, {})
        missing = [name for name in self.classes if not found.get(name)]
        if missing:
            mend = "add the sentences, or override `descriptions` in the adapter"
            raise BadInput(f"{file.name} [{self.name}]", f"no sentence for {', '.join(missing)}", mend)
        return tuple(found[name] for name in self.classes)

    def clips(self) -> Iterator[Clip]:
        """The clips of this copy, with their boxes. May be run again; notes are of the latest run."""
        self.notes.clear()
        entries = list(self.entries())
        self.boxes = self.boxes_of(entries, self.files("faces", "*face*.json"))
        bodies = self.bodies(entries)
        converted = 0
        for entry in entries:
            media, key = self.on_disk(entry.path), (entry.path, entry.written)
            body = bodies.get(key) if bodies else None
            converted += media != entry.path
            yield Clip(
                id=entry.id or stem(entry.path),
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

    def on_disk(self, path: str) -> str:
        """The form in which an annotated clip lies in this copy; `path` itself where it is not there at all."""
        return existing(self.root, path) or path

    def bodies(self, entries: Sequence[Entry]) -> Boxes | None:
        """The clips' body boxes, where the context stream is to be the body: see `RAER`."""
        return None

    # --- where things are -----------------------------------------------------------------------------------

    def places(self) -> list[Path]:
        """Where annotations are looked for, in order."""
        if not self.settings.annotations:
            return [self.root, self.root / "annotations", self.root.parent / "annotations"]
        told = Path(self.settings.annotations).expanduser()
        if not told.is_dir():
            raise BadInput(f"data.{self.name}.annotations", f"no folder {told}", "give the folder of the lists")
        return [told]

    def files(self, setting: str, pattern: str) -> list[Path]:
        """The box file that a setting names, or those that match in the first place that has any.

        Once annotations are found, `annotations/` beside the root is not searched: it may be another set's.
        """
        told = getattr(self.settings, setting)
        if not told:
            places = [self.home, self.root, self.root / "annotations"] if self.home else self.places()
            return next((files for files in (sorted(place.glob(pattern)) for place in places) if files), [])
        file = Path(told).expanduser()
        if not file.is_file():
            raise BadInput(f"data.{self.name}.{setting}", f"no file {file}", "give the path of the box file")
        return [file]

    def boxes_of(self, entries: Sequence[Entry], files: Sequence[Path]) -> Boxes | None:
        """The boxes of these files, by the spelling of keys that suits the entries."""
        spellings = [(entry.path, entry.written) for entry in entries]
        return Boxes(files, spellings, self.folder, self.splits, self.note) if files else None

    def unlabelled(self, folders: Iterable[str], labelled: Iterable[str]) -> None:
        """Notes the media below `folders` that no annotation speaks of."""
        known = {stem(path) for path in labelled}
        known |= {posixpath.dirname(path) for path in known}  # a folder of images that are clips themselves
        extra = [path for folder in folders for path in media_below(self.root, folder) if stem(path) not in known]
        if extra:
            message = f"in this copy but in no list, so left out: {', '.join(extra[:3])}"
            self.note("video-without-label", str(self.root), message, "complete the lists", len(extra))

    def split_folders(self, below: str = "") -> dict[str, str]:
        """The split folders there are, as paths below the root, and the split each holds."""
        names = sorted(entry.name for entry in (self.root / below).iterdir() if entry.is_dir())
        known = {name: self.splits[name.casefold()] for name in names if name.casefold() in self.splits}
        return {posixpath.join(below, name): split for name, split in known.items()}

    # --- lists, and trees of class folders ------------------------------------------------------------------

    def _lists(self) -> dict[str, Path]:
        found = (self._lists_in(folder) for folder in self.places())
        lists = next((lists for lists in found if lists), {})
        if not lists and self.settings.annotations:
            mend = "they are called train.txt, validation.txt, test.txt, or end so"
            raise BadInput(self.settings.annotations, "holds no lists", mend)
        return lists

    def _lists_in(self, folder: Path) -> dict[str, Path]:
        files = sorted(folder.glob("*.txt"))
        lists: dict[str, Path] = {}
        for split in SPLITS:
            names = "|".join(name for name, of in self.splits.items() if of == split)
            exact = [file for file in files if re.fullmatch(names, file.stem.casefold())]
            ending = [file for file in files if re.fullmatch(f".*[^a-z](?:{names})", file.stem.casefold())]
            candidates = exact or ending
            if len(candidates) > 1:
                what = "several lists for one split: " + ", ".join(file.name for file in candidates)
                raise BadInput(str(folder), what, f"put one set of lists in a folder for data.{self.name}.annotations")
            if candidates:
                lists[split] = candidates[0]
        return lists

    def _from_lists(self, lists: Mapping[str, Path]) -> Iterator[Entry]:
        read = {split: read_list(file, self.note) for split, file in lists.items()}
        lines = [(line, split) for split, part in read.items() for line in part]
        self.home = next(iter(lists.values())).parent
        where = str(self.home)
        if not lines:
            raise BadInput(where, "the lists are empty", "give lists of `path frames label` lines")
        told, setting = getattr(self.settings, "first_label", "auto"), f"data.{self.name}.first_label"
        first, why = first_label([line for line, _ in lines], len(self.classes), told, setting)
        self.note("first-label", where, f"labels start at {first}: {why}", count=len(lines))
        paths = place([line.path for line, _ in lines], self.root, self.splits, where, self.note)
        self.unlabelled(self.split_folders(), paths)
        for path, (line, split) in zip(paths, lines, strict=True):
            yield Entry(path, line.label - first, split, line.frames, written=line.path)

    def _from_folders(self) -> Iterator[Entry]:
        folders = self.split_folders()
        if not folders:
            mend = f"give lists (data.{self.name}.annotations), or train/<class>/ and test/<class>/ folders"
            raise BadInput(str(self.root), "holds neither annotation lists nor split folders", mend)
        self.note("labels-from-folders", str(self.root), "no lists: labels are the class folders' names")
        for folder, split in folders.items():
            for inner in sorted((self.root / folder).iterdir()):
                if inner.is_dir() and inner.name[0] not in "._":
                    label = self._label(inner)
                    for path in self._media(f"{folder}/{inner.name}"):
                        yield Entry(path, label, split)

    def _media(self, folder: str) -> list[str]:
        """A class folder's clips. Where a clip lies there both as video and as frames, the video is taken."""
        found = list(media_below(self.root, folder))
        if found == [folder]:  # images directly in a class folder are clips, not frames
            return [f"{folder}/{name}" for name in frame_names(self.root / folder)]
        by_name = {stem(path): path for path in found}
        if len(by_name) < len(found):
            message = f"in {folder} clips lie both as video and as frames; the videos are read"
            self.note("media-twice", str(self.root), message, count=len(found) - len(by_name))
        return list(by_name.values())

    def _label(self, folder: Path) -> int:
        known = {name.casefold(): i for i, name in enumerate(self.classes)}
        known |= {other.casefold(): self.classes.index(name) for other, name in self.aliases.items()}
        if folder.name.casefold() not in known:
            raise BadInput(str(folder), "is no class", nearest(folder.name, [*self.classes, *self.aliases]))
        return known[folder.name.casefold()]

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
