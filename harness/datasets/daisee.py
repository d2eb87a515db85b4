"""DAiSEE: webcam clips of e-learners, `DataSet/<Split>/<person>/<ClipID>/<ClipID>.avi`, labels in CSV tables.

Gupta et al., DAiSEE: Towards User Engagement Recognition in the Wild (arXiv 1609.01885). Each clip has four
labels 0..3; `affect` chooses the one to learn. Some labelled clips were never published and some published ones
have no label; some files are `.mp4` though the tables say `.avi`; many copies hold extracted frames instead.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from harness.data.lists import once, read_table, refuse
from harness.data.paths import existing, stem
from harness.datasets import Adapter, Entry
from harness.errors import BadInput
from harness.protocol import Data
from harness.settings import knob
from harness.words import some

AFFECTS = ("boredom", "engagement", "confusion", "frustration")
FOLDERS = {"train": "Train", "val": "Validation", "test": "Test"}


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
    official: ClassVar[dict[str, int]] = {"train": 5358, "val": 1429, "test": 1784}
    official_note = "labelled clips; not all of them are in the download"
    Settings = Settings

    def sentences(self, known: Mapping[str, Any]) -> Mapping[str, str]:
        return known[self.name][self.settings.affect]

    def places(self) -> list[Path]:
        return super().places() if self.settings.annotations else [self.root / "Labels", *super().places()]

    def entries(self) -> Iterator[Entry]:
        tables = next((tables for tables in map(self._tables, self.places()) if tables), {})
        if not tables:
            mend = (
                "put TrainLabels.csv, ValidationLabels.csv, TestLabels.csv in Labels/, or set data.daisee.annotations"
            )
            raise BadInput(str(self.root), "no label tables", self.inside() or mend)
        self.home = next(iter(tables.values())).parent
        media = next((name for name in ("DataSet", "Dataset") if (self.root / name).is_dir()), "")
        folders = self.split_folders(media)
        homes = {split: folder for folder, split in folders.items()}
        entries = []
        for split, table in tables.items():
            entries += self._rows(table, split, homes.get(split, posixpath.join(media, FOLDERS[split])))
        self.unlabelled(folders, (path for entry in entries for path in _forms(entry.path)))
        yield from entries

    def on_disk(self, path: str) -> str:
        return next((there for form in _forms(path) if (there := existing(self.root, form))), path)

    def _tables(self, folder: Path) -> dict[str, Path]:
        """The table of each split; others, such as the one of all clips, are named as not read."""
        found: dict[str, Path] = {}
        unread = []
        for file in sorted(file for file in folder.glob("*.csv") if file.is_file()):
            split = self.splits.get(re.sub(r"[ _-]?labels?$", "", file.stem.casefold()))
            if split is None:
                unread.append(file.name)
            elif split in found:
                what = f"several tables for one split: {found[split].name}, {file.name}"
                raise BadInput(str(folder), what, "keep one of them")
            else:
                found[split] = file
        if found and unread:
            self.note("lists-unused", str(folder), f"not read: {some(unread)}", count=len(unread))
        return found

    def _rows(self, table: Path, split: str, home: str) -> list[Entry]:
        """A table's clips, repeated rows once."""
        column = self.settings.affect.capitalize()
        read = list(read_table(table, ("ClipID", column), also=[affect.capitalize() for affect in AFFECTS]))
        self._refuse_rows(table, column, read)
        rows = []
        for where, row in read:
            clip, label = stem(row["ClipID"]), row[column]
            person = clip[:6]  # the first six digits
            file = row["ClipID"] if clip != row["ClipID"] else f"{clip}.avi"
            path, id = posixpath.join(home, person, clip, file), posixpath.join(FOLDERS[split], person, clip)
            rows.append((where, Entry(path, int(label), split, subject=person, written=row["ClipID"], id=id)))
        kept = once(rows, lambda r: r[1].id, lambda r: r[1].label, lambda r: r[0], str(table), self.note)
        return [entry for _, entry in kept]

    def _refuse_rows(self, table: Path, column: str, rows: Sequence[tuple[str, dict[str, str]]]) -> None:
        """All that is wrong with a table's levels and ids, together: one wrong row may be a slip, many are a shift."""
        for name in rows[0][1].keys() - {"ClipID"} if rows else ():  # also those that are not learnt show it
            levels = Counter(row[name] for _, row in rows)
            if levels["4"] and not levels["0"] and not levels.keys() - set("1234"):
                what = f"{name} is 4 in {levels['4']:,} of {len(rows):,} rows and 0 in none: this table counts from 1"
                mend = "fetch it again, or subtract 1 in each of its four columns: levels are 0, 1, 2 or 3"
                raise BadInput(str(table), what, mend)
        errors = []
        for where, row in rows:
            if row[column] not in ("0", "1", "2", "3"):
                what = f"{column} of {stem(row['ClipID'])} is {row[column]!r}"
                errors.append(BadInput(where, what, "levels are 0, 1, 2 or 3"))
            elif re.fullmatch(r"[0-9.,]+E\+?[0-9]+", row["ClipID"], re.IGNORECASE):
                what = f"clip {row['ClipID']!r} was rounded by a spreadsheet"
                errors.append(BadInput(where, what, "fetch the table again, and save it as text"))
        refuse(errors)


def _forms(path: str) -> tuple[str, ...]:
    """Where a clip may be: the file; extracted frames in `frames/` beside it or in its folder; no folder of its own."""
    home, file = posixpath.split(path)
    person = posixpath.dirname(home)
    return path, posixpath.join(home, "frames"), home, posixpath.join(person, file)
