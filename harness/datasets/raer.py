"""RAER: students' academic emotions, folders of frames; `<path> <frames> <label>` lists, no official `val`.

Zhao et al., CLIP-CAER, ICCV 2025 (arXiv 2507.00586). Labels start at 1 and paths are absolute ones of another
machine. Face boxes are per frame, some frames have none; body boxes are per clip. CLIP-CAER's second stream is
the body, ours the whole frame unless `bodies` names the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.boxes import Boxes
from harness.datasets import Adapter, Entry, Listed
from harness.settings import knob


@dataclass(frozen=True)
class Settings(Listed):
    """RAER's own."""

    bodies: str = knob("", "file of body boxes: the context stream is then the body; empty: it is the whole frame")


class RAER(Adapter):
    """Five academic emotions."""

    name = "raer"
    title = "RAER"
    paper = "arXiv:2507.00586"
    folder = "RAER"
    classes = ("Neutral", "Enjoyment", "Confusion", "Fatigue", "Distraction")
    metric = "uar"
    official: ClassVar[dict[str, int]] = {"test": 527}  # of one published run; the size of train isn't published
    Settings = Settings

    def bodies(self, entries: Sequence[Entry]) -> Boxes | None:
        return self.boxes_of(entries, self.files("bodies", "")) if self.settings.bodies else None
