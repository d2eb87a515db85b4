"""Clips to look at: which ones, three frames of each with its boxes, and the two crops that a model would see."""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from harness.audit import Audit
from harness.data.clips import Box, Clip
from harness.data.video import Picture, Unreadable, cropped, face_box, pixels, read, sample

FRAMES = 3  # of each clip
WIDTH, CROP = 260, 132  # pixels of a frame and of a crop on the page
EACH = 2  # clips of each class and split
BEFALLEN = 4  # clips of each problem
QUALITY = 82


@dataclass(frozen=True)
class Frame:
    """A frame as a data URI, with its true size and the boxes on it, in true pixels."""

    uri: str
    width: int
    height: int
    face: Box | None
    area: Box | None  # the face box with its margin: what is cropped
    body: Box | None


@dataclass(frozen=True)
class Shown:
    """A clip on the page."""

    clip: Clip
    problems: tuple[str, ...] = ()
    frames: tuple[Frame, ...] = ()
    face: str = ""  # the crops of the middle frame, as data URIs
    context: str = ""
    how: str = ""  # where the face crop comes from
    error: str = ""


@dataclass
class Choice:
    """Clips to show: those that problems befell, and a few of every class and split."""

    befallen: list[Clip] = field(default_factory=list)
    usual: dict[str, list[Clip]] = field(default_factory=dict)  # by split, in the order of the classes


def choose(audit: Audit) -> tuple[Choice, dict[str, tuple[str, ...]]]:
    """Which clips to show, and the kinds of problems that befell them."""
    there = {clip.id: clip for clip in audit.fold.present}
    kinds: dict[str, dict[str, None]] = {}
    choice, chosen = Choice(), dict[str, Clip]()
    for problem in [*audit.problems, *(remark for remark in audit.remarks if remark.mend)]:
        here = [id for id in dict.fromkeys(problem.clips) if id in there]
        for id in here:
            kinds.setdefault(id, {})[problem.kind] = None
        chosen |= {id: there[id] for id in here[:BEFALLEN]}
    choice.befallen = list(chosen.values())
    for split in audit.splits:
        clips = [clip for clip in audit.fold.present if clip.split == split]
        cells = [[clip for clip in clips if clip.label == label] for label in range(len(audit.fold.adapter.classes))]
        choice.usual[split] = [clip for cell in cells for clip in _spread(cell, EACH)]
    return choice, {id: tuple(names) for id, names in kinds.items()}


def show(root: Path, clips: Sequence[Clip], kinds: dict[str, tuple[str, ...]], sections: Any) -> Iterator[Shown]:
    """The clips with their pictures, in order."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield from pool.map(lambda clip: _shown(root, clip, kinds.get(clip.id, ()), sections), clips)


def _spread(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Some clips from all over a list: neighbours tend to come from the same film."""
    step = max(1, len(clips) // count)
    return list(clips[step // 2 :: step][:count])


def _shown(root: Path, clip: Clip, problems: tuple[str, ...], sections: Any) -> Shown:
    clips, face = sections["clips"], sections["face"]
    try:
        found = read(root / clip.media, lambda count: sample(count, FRAMES, None))
        frames = tuple(
            _frame(picture, name, clip, face.margin) for picture, name in zip(found.pictures, found.names, strict=True)
        )
        seen = cropped(found, root, clip, clips, face, CROP)
    except (Unreadable, OSError) as error:
        return Shown(clip, problems, error=str(error).replace(f"{root}/", ""))
    middle = FRAMES // 2
    how = ", ".join(HOW.get(name, name) for name in seen.boxes)
    return Shown(clip, problems, frames, _uri(seen.face[middle]), _uri(seen.context[middle]), how)


HOW = {
    "frame": "each frame's box",
    "clip": "one box for the clip",
    "nearest": "the nearest frame's box",
    "outside": "a box outside the picture",
    "center-crop": "no box: the centre",
    "full-frame": "no box: the whole frame",
}


def _frame(picture: Picture, name: str, clip: Clip, margin: int) -> Frame:
    height, width = picture.shape[:2]
    box = face_box(clip.face or {}, name, picture, Counter())
    area = pixels(box, picture, margin) if box else None
    scale = min(1.0, WIDTH / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return Frame(_uri(small), width, height, box, area, clip.body)


def _uri(picture: np.ndarray) -> str:
    colours = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", colours, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()
