"""RAER: students' academic emotions, folders of frames; `<path> <frames> <label>` lists, no official `val`.

Zhao et al., CLIP-CAER, ICCV 2025 (arXiv 2507.00586). Labels start at 1 and paths are absolute ones of another
machine. Face boxes are per frame, some frames have none; body boxes are per clip.
"""

from __future__ import annotations

from typing import ClassVar

from harness.datasets import Adapter


class RAER(Adapter):
    """Five academic emotions."""

    name = "raer"
    title = "RAER"
    paper = "arXiv:2507.00586"
    folder = "RAER"
    classes = ("Neutral", "Enjoyment", "Confusion", "Fatigue", "Distraction")
    boxed = True
    metric = "uar"
    official: ClassVar[dict[str, int]] = {"test": 527}
    official_note = "of one published run; the size of train isn't published"
