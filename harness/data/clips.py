"""What a data set is once read: clips, where they lie, and what reading them found.

Plain facts, and their form as a Hugging Face index. How a copy on disk is read and what is refused stands in
`scan`; nothing here opens a medium.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datasets

Box = tuple[float, float, float, float]  # absolute pixels: x1, y1, x2, y2
SPLITS = ("train", "val", "test")
VIDEOS = (".avi", ".mp4", ".mkv", ".mov", ".m4v", ".webm", ".mpg", ".mpeg", ".wmv", ".flv")
IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
Progress = Callable[[int, int], None]  # told how many clips are done, and of how many


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled example."""

    id: str  # unique in the set, e.g. "train/Anger/0001"
    media: str  # path below the root, posix: a video file, a folder of frames, or an image
    label: int  # 0-based
    split: str  # "train" | "val" | "test"
    frames: int = 0  # what the list says; 0: it does not say
    face: Mapping[str, Box] | None = None  # {"": box} for the whole clip, {frame name: box}, None: no box
    body: Box | None = None
    subject: str = ""  # the person, where the layout tells


@dataclass(frozen=True, slots=True)
class Note:
    """Something dropped, defaulted or guessed while reading; one for all clips it befell, told beside the message.

    With a mend it is a problem, which the user should act on; without one it tells how things were read.
    """

    kind: str
    where: str
    message: str
    mend: str = ""
    count: int = 1


@dataclass(frozen=True)
class Scan:
    """What reading a copy found. `faces` counts the whole copy, before clips are skipped or limited."""

    root: Path
    clips: list[Clip]  # sorted by id
    notes: list[Note]
    faces: dict[str, dict[str, int]]  # split -> {"found": n, "missing": n}
    has_boxes: bool
    fingerprint: str
    present: list[Clip] = field(default_factory=list)  # all clips of the copy, in the splits that they are labelled as
    absent: list[Clip] = field(default_factory=list)  # labelled as well, but not in this copy


def natural(name: str) -> tuple[list[str | tuple[int, str]], str]:
    """Sorting key under which `frame10` comes after `frame9`; no two names are equal (`f1` and `f01`)."""
    parts = enumerate(re.split(r"([0-9]+)", name))
    return [_size(part) if i % 2 else part for i, part in parts], name


def _size(digits: str) -> tuple[int, str]:
    """Orders as the number does, of which there may be too many digits for one."""
    digits = digits.lstrip("0")
    return len(digits), digits


def frame_names(folder: Path) -> list[str]:
    """The images directly in `folder`, in natural order; hidden files (`._1.jpg`) are no frames."""
    names = (name for name in os.listdir(folder) if name.lower().endswith(IMAGES) and name[0] != ".")
    return sorted(names, key=natural)


def as_dataset(scan: Scan, classes: Sequence[str]) -> datasets.Dataset:
    """The index: the scan's clips, in its order, as a Hugging Face `Dataset` (Arrow, `ClassLabel`).

    Its fingerprint is the scan's, so whatever `datasets` caches of it follows the copy.
    """
    import datasets as hf

    box = hf.Sequence(hf.Value("float64"))
    features = hf.Features(
        {
            "id": hf.Value("string"),
            "media": hf.Value("string"),
            "label": hf.ClassLabel(names=list(classes)),
            "split": hf.Value("string"),
            "frames": hf.Value("int32"),
            "subject": hf.Value("string"),
            "boxes": [{"frame": hf.Value("string"), "box": box}],
            "body": box,
        }
    )
    plain = ("id", "media", "label", "split", "frames", "subject")
    columns: dict[str, list[Any]] = {name: [getattr(clip, name) for clip in scan.clips] for name in plain}
    columns["boxes"] = [[{"frame": f, "box": list(b)} for f, b in (c.face or {}).items()] for c in scan.clips]
    columns["body"] = [list(clip.body or ()) for clip in scan.clips]
    dataset = hf.Dataset.from_dict(columns, features=features)
    return hf.Dataset(dataset.data, info=dataset.info, fingerprint=scan.fingerprint)
