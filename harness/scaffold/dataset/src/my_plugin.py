"""The data set my-plugin: to begin with, videos in `clips/` and a table of labels. Put your own layout in its place.

ROOT/labels.csv     clip,split,emotion,agreement
ROOT/clips/0001.avi …
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.conformance import draw
from harness.data.lists import read_table
from harness.datasets import Adapter, Entry
from harness.errors import BadInput, nearest
from harness.protocol import Data
from harness.settings import knob

COLUMNS = ("clip", "split", "emotion", "agreement")


@dataclass(frozen=True)
class Settings(Data):
    """Beside the root, which every data set has."""

    agreement: float = knob(0.0, "smallest share of raters who agree on a clip that is used", low=0, high=1)


class MyPlugin(Adapter):
    """Two moods, rated by several people."""

    name = "my-plugin"
    title = "my-plugin"
    paper = "none"
    folder = "my-plugin"
    classes = ("happy", "sad")
    metric = "uar"
    api = 1
    Settings = Settings

    def descriptions(self) -> tuple[str, ...]:
        return (
            "a person with a broad smile and raised cheeks at a party",
            "a person with a drooping mouth and lowered eyes in the rain",
        )

    def entries(self) -> Iterator[Entry]:
        table, doubtful = self.root / "labels.csv", 0
        for where, row in read_table(table, COLUMNS):
            if row["emotion"] not in self.classes:
                raise BadInput(where, f"{row['emotion']!r} is no emotion", nearest(row["emotion"], self.classes))
            if float(row["agreement"]) < self.settings.agreement:
                doubtful += 1
                continue
            label, split = self.classes.index(row["emotion"]), self.splits.get(row["split"], row["split"])
            yield Entry(f"clips/{row['clip']}.avi", label, split)
        if doubtful:
            self.note("doubtful-label", str(table), f"agreement below {self.settings.agreement}", count=doubtful)

    @classmethod
    def sample(cls, root: Path) -> None:
        """Writes a small copy in this layout, which `harness check` reads where no root is given."""
        rows = [",".join(COLUMNS)]
        for number in range(24):
            split = ("train", "val", "test")[number // 8]
            draw(root, f"clips/{number:04d}.avi")
            rows.append(f"{number:04d},{split},{cls.classes[number % 2]},{(0.4, 0.7, 1.0)[number % 3]}")
        (root / "labels.csv").write_text("\n".join(rows) + "\n")
