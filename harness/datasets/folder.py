"""Folder: a set of your own, `{train,val,test}/<class>/…`, each clip a video, a folder of frames, or an image.

No code needed. The classes are what the copy says: the class folders of `train` in natural order or, where
there are `train.txt`-like lists, the class folder that goes with each label. Where the copy doesn't tell, or
to fix the order, the setting `classes` does.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from harness.data.clips import natural
from harness.data.lists import read_list
from harness.data.paths import from_last
from harness.datasets import Adapter, Entry, Listed
from harness.errors import BadInput, nearest
from harness.settings import knob


@dataclass(frozen=True)
class Settings(Listed):
    """What a folder of your own may need to be told."""

    classes: tuple[str, ...] = knob((), "the classes, in label order; empty: as the class folders are called")


class Folder(Adapter):
    """Any folder of `train/<class>/`, `test/<class>/` and perhaps `val/<class>/`, with or without lists."""

    name = "folder"
    title = "a folder of your own"
    metric = "uar"  # nobody told how even the classes are
    Settings: ClassVar[type] = Settings

    def __init__(self, settings: Any, root: Path) -> None:
        super().__init__(settings, root)
        self.classes = self.read_classes()
        repeated = [name for name, n in Counter(map(str.casefold, self.classes)).items() if n > 1]
        if repeated:
            raise BadInput(str(root), f"two classes are called {repeated[0]!r}", "give each class a name of its own")
        if len(self.classes) < 2:
            what = f"holds {len(self.classes)} classes: {', '.join(self.classes) or 'no class folders in train'}"
            raise BadInput(str(root), what, f"a root holds train/<class>/ folders; mend it, or data.{self.name}.root")

    def read_classes(self) -> tuple[str, ...]:
        """The classes in label order, as this copy or the user names them."""
        if self.settings.classes:
            return self.settings.classes
        folders = tuple(sorted(self._train_folders(), key=natural))
        lists = self._lists()
        return self._in_lists(list(lists.values()), folders) if lists else folders

    def sentences(self, known: Mapping[str, Any]) -> Mapping[str, str]:
        return {name: _sentence(name) for name in self.classes}

    def entries(self) -> Iterator[Entry]:
        if self.settings.classes and not self._lists():
            self._refuse_unknown_classes()
        yield from self.checked(list(super().entries()))

    def checked(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """The entries, once it is clear that every class can be learnt; what a class lacks is noted."""
        where, trained = str(self.root), {entry.label for entry in entries if entry.split == "train"}
        untrained = sorted({entry.label for entry in entries} - trained)
        if trained and untrained:
            what = f"no training clips of {self._called(untrained)}, which other splits hold"
            raise BadInput(where, what, "add some to train, or take the class out of the other splits")
        empty = [label for label in range(len(self.classes)) if label not in trained]
        if trained and empty:
            mend = "add clips, or take the class out"
            self.note("class-empty", where, f"no clips at all of {self._called(empty)}", mend, len(empty))
        if not self.settings.descriptions:
            message = f"prompts are made from the classes' bare names, such as {_sentence(self.classes[0])!r}"
            mend = f"write a sentence of visible cues for each class in [data.{self.name}.descriptions]"
            self.note("descriptions-made", where, message, mend, len(self.classes))
        return entries

    def _called(self, labels: Sequence[int]) -> str:
        return ", ".join(self.classes[label] for label in labels)

    def _train_folders(self) -> list[str]:
        """The class folders of `train`, as they are called."""
        if not self.root.is_dir():
            raise BadInput(str(self.root), "no such folder", f"set data.{self.name}.root to the folder of your set")
        folders = [self.root / folder for folder, split in self.split_folders().items() if split == "train"]
        inner = (entry for folder in folders for entry in folder.iterdir() if entry.is_dir())
        return [entry.name for entry in inner if entry.name[0] not in "._"]

    def _refuse_unknown_classes(self) -> None:
        there = {name.casefold() for name in self._train_folders()}
        for name in self.classes:
            if name.casefold() not in there:
                mend = nearest(name, self._train_folders())
                raise BadInput(f"data.{self.name}.classes", f"no folder of train is called {name!r}", mend)

    def _in_lists(self, files: Sequence[Path], folders: Sequence[str]) -> tuple[str, ...]:
        """The one class folder that goes with each label, in label order; lists that leave a doubt are refused."""
        known = {name.casefold(): label for label, name in enumerate(folders)}
        lines = [line for file in files for line in read_list(file, self.note, known)]
        if any(line.named for line in lines):  # then the order is free
            return tuple(folders)
        found: dict[int, set[str]] = defaultdict(set)
        for line in lines:
            parts = from_last(line.path, self.splits).split("/")  # split, class, …, clip
            found[line.label].add(parts[1] if len(parts) > 2 else "")
        names = [next(iter(found[label])) for label in sorted(found) if len(found[label]) == 1]
        first = min(found, default=0)
        gapless = sorted(found) == list(range(first, first + len(found)))
        if not (gapless and len(set(names)) == len(found) and all(names)):
            what = "the lists' paths don't tell which label is which class"
            raise BadInput(str(files[0].parent), what, f"name the classes in label order: data.{self.name}.classes")
        return tuple(names)


def _sentence(name: str) -> str:
    """A prompt from nothing but a class's name."""
    words = " ".join(name.replace("_", " ").replace("-", " ").split())
    return f"a face and a scene that show {words.lower()}"
