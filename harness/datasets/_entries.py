"""What adapters read: an annotation, and what a set with lists may need to be told."""

from __future__ import annotations

from dataclasses import dataclass

from harness.data.paths import stem
from harness.protocol import Data
from harness.settings import knob


@dataclass(frozen=True)
class Listed(Data):
    """What a set with `path frames label` lists may need to be told."""

    first_label: str = knob(
        "auto", "where the lists' labels start; auto: as the lists show", choices=("auto", "0", "1")
    )
    subject: str = knob("", "regular expression whose first group, in a clip's path, is the person; empty: unknown")
    bodies: str = knob("", "file of body boxes; empty: `*bod*.json` beside the lists")


@dataclass(frozen=True)
class Folded(Listed):
    """A set with five official folds."""

    fold: str = knob("all", "which official fold; all: each in turn", choices=("all", *(str(n) for n in range(1, 6))))


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

    @property
    def key(self) -> tuple[str, str, str]:
        """What a clip's boxes may be keyed by: its path below the root, as a list writes it, and its id."""
        return self.path, self.written, self.id or stem(self.path)
