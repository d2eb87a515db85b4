"""Lecture Moods: frames of webcam clips by person, a table with two raters, face boxes by clip.

ROOT/ratings.csv            session,clip,split,first,second
ROOT/sessions/p01/0003/     00001.jpg … : the frames of a clip
ROOT/faces.json             {"p01/0003": [x1, y1, x2, y2]}
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.conformance import draw
from harness.data.lists import read_table
from harness.datasets import Adapter, Entry
from harness.errors import BadInput, nearest
from harness.protocol import Data
from harness.settings import knob

COLUMNS = ("session", "clip", "split", "first", "second")


@dataclass(frozen=True)
class Settings(Data):
    """Whom to believe."""

    rater: str = knob("first", "whose label is learnt; both: where they agree", choices=("first", "second", "both"))


class LectureMoods(Adapter):
    """Three moods of students in a lecture."""

    name = "lecture-moods"
    title = "Lecture Moods"
    paper = "none: an example"
    folder = "lecture-moods"
    classes = ("attentive", "bored", "puzzled")
    metric = "uar"
    api = 1
    Settings = Settings

    def descriptions(self) -> tuple[str, ...]:
        return (
            "open eyes and a raised head that looks ahead, a pen in the hand",
            "drooping eyelids and a head propped on a hand, looking aside",
            "drawn brows and pressed lips, a head tilted towards the screen",
        )

    def entries(self) -> Iterator[Entry]:
        table, disagreed = self.root / "ratings.csv", 0
        for where, row in read_table(table, COLUMNS):
            labels = {rater: self._label(where, row[rater]) for rater in ("first", "second")}
            if self.settings.rater == "both" and labels["first"] != labels["second"]:
                disagreed += 1
                continue
            label = labels["second" if self.settings.rater == "second" else "first"]
            id = f"{row['session']}/{row['clip']}"
            yield Entry(f"sessions/{id}", label, row["split"], subject=row["session"], id=id)
        if disagreed:
            self.note("doubtful-label", str(table), "the raters disagree, so left out", count=disagreed)

    def _label(self, where: str, mood: str) -> int:
        if mood not in self.classes:
            raise BadInput(where, f"{mood!r} is no mood", nearest(mood, self.classes))
        return self.classes.index(mood)

    @classmethod
    def sample(cls, root: Path) -> None:
        """Writes a small copy in this layout, which `harness check` reads where no root is given."""
        rows, boxes = [",".join(COLUMNS)], {}
        for person, split in enumerate(("train", "train", "val", "test"), start=1):
            for number in range(6):
                session, clip, mood = f"p{person:02d}", f"{number:04d}", cls.classes[number % 3]
                second = "puzzled" if number == 3 else mood
                draw(root, f"sessions/{session}/{clip}")
                boxes[f"{session}/{clip}"] = [8, 6, 40, 38]
                rows.append(f"{session},{clip},{split},{mood},{second}")
        (root / "ratings.csv").write_text("\n".join(rows) + "\n")
        (root / "faces.json").write_text(json.dumps(boxes))
