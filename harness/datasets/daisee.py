"""DAiSEE: webcam clips of e-learners, `DataSet/<Split>/<person>/<ClipID>/<ClipID>.avi`, labels in CSV tables.

Gupta et al., DAiSEE: Towards User Engagement Recognition in the Wild (arXiv 1609.01885). Each clip has four
labels 0..3; `affect` chooses the one to learn. Some labelled clips were never published and some published ones
have no label; some files are `.mp4` though the tables say `.avi`; many copies hold extracted frames instead.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from harness.datasets import Adapter, Entry
from harness.errors import BadInput
from harness.lists import existing, once, read_table, stem
from harness.protocol import Data
from harness.settings import knob

AFFECTS = ("boredom", "engagement", "confusion", "frustration")
SENTENCES = {  # engagement has its own in `descriptions.toml`, beside those of the other sets
    "boredom": (
        "bright, wide open eyes fixed on the screen, an upright head, leaning in with interest",
        "open eyes on the screen, a relaxed face and an upright head",
        "half-closed eyes drifting away from the screen, a head propped on one hand",
        "a yawning mouth, drooping eyelids, slumped in the chair, looking away from the screen",
    ),
    "confusion": (
        "smooth, level brows, calm eyes on the screen and a relaxed mouth",
        "brows slightly drawn together, eyes moving over the screen, lips closed",
        "one brow raised, narrowed eyes, a tilted head and pressed lips",
        "deeply knitted brows, squinting eyes, a hand on the chin and an open, puzzled mouth",
    ),
    "frustration": (
        "relaxed brows, soft eyes and a slight smile, shoulders at ease",
        "a still face with lips pressed together for a moment, eyes on the screen",
        "lowered brows, a tight mouth, sighing and rubbing the forehead",
        "brows pulled down hard, clenched jaw, head in both hands or shaking, turning away from the screen",
    ),
}
TABLES = {"TrainLabels.csv": "Train", "ValidationLabels.csv": "Validation", "TestLabels.csv": "Test"}


@dataclass(frozen=True)
class Settings(Data):
    """DAiSEE's own."""

    affect: str = knob("engagement", "which of the four labels is learnt", choices=AFFECTS)


class DAiSEE(Adapter):
    """Four levels of an affective state; very skewed, so UAR tells most."""

    name = "daisee"
    title = "DAiSEE"
    paper = "arXiv:1609.01885"
    folder = "DAiSEE"
    classes = ("Very low", "Low", "High", "Very high")
    metric = "uar"
    official: ClassVar[dict[str, int]] = {"train": 5358, "val": 1429, "test": 1784}  # the labelled ones
    Settings = Settings

    def descriptions(self) -> tuple[str, ...]:
        return SENTENCES.get(self.settings.affect) or super().descriptions()

    def places(self) -> list[Path]:
        return super().places() if self.settings.annotations else [self.root / "Labels", *super().places()]

    def entries(self) -> Iterator[Entry]:
        found = ([folder / name for name in TABLES if (folder / name).is_file()] for folder in self.places())
        tables = next((tables for tables in found if tables), None)
        if tables is None:
            mend = f"put {', '.join(TABLES)} in Labels/, or set data.daisee.annotations"
            raise BadInput(str(self.root), "no label tables", mend)
        self.home = tables[0].parent
        media = next((name for name in ("DataSet", "Dataset") if (self.root / name).is_dir()), "")
        entries = [entry for table in tables for entry in self._rows(table, media)]
        self.unlabelled(self.split_folders(media), (path for entry in entries for path in _forms(entry.path)))
        yield from entries

    def on_disk(self, path: str) -> str:
        return next((there for form in _forms(path) if (there := existing(self.root, form))), path)

    def _rows(self, table: Path, media: str) -> list[Entry]:
        """A table's clips, repeated rows once."""
        column, folder = self.settings.affect.capitalize(), TABLES[table.name]
        rows = []
        for where, row in read_table(table, ("ClipID", column)):
            clip, label = stem(row["ClipID"]), row[column]
            if label not in ("0", "1", "2", "3"):
                raise BadInput(where, f"{column} of {clip} is {label!r}", "levels are 0, 1, 2 or 3")
            home = posixpath.join(folder, clip[:6], clip)  # the first six digits are the person
            path = posixpath.join(media, home, row["ClipID"] if clip != row["ClipID"] else f"{clip}.avi")
            split = self.splits[folder.casefold()]
            rows.append((where, Entry(path, int(label), split, subject=clip[:6], written=row["ClipID"], id=home)))
        kept = once(rows, lambda r: r[1].id, lambda r: r[1].label, lambda r: r[0], str(table), self.note)
        return [entry for _, entry in kept]


def _forms(path: str) -> tuple[str, ...]:
    """Where a clip may be: the file; or extracted frames in `frames/` beside it or in its folder."""
    home = posixpath.dirname(path)
    return path, posixpath.join(home, "frames"), home
