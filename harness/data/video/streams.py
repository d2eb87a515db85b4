"""The two streams a model sees of a clip: the face, and its context; cropped and resized.

Boxes are rounded outwards to whole pixels and letterboxes are even on both sides, so that flipping a crop is the same
as flipping the picture and its box.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from harness.data.clips import Box, Clip
from harness.data.video.frames import Frames, read, sample
from harness.data.video.images import Picture, Unreadable
from harness.protocol import Clips, Face


@dataclass
class Streams:
    """What the model sees of a clip, and how it was found.

    `boxes` counts frames. How each frame's face was found: "frame", "nearest", "clip", or the stand-in "center-crop"
    or "full-frame"; these add up to the frames. Beside them: "outside", where a box lay wholly outside the picture and
    was taken for missing; "mask: none", where a masked context had no face to mask; "body" or "body: full-frame",
    where the context is the body.
    """

    face: NDArray[np.uint8]  # [T, S, S, 3]
    context: NDArray[np.uint8]  # [T, S, S, 3]
    boxes: Counter[str]
    count: int  # frames the clip really has


def views_of(
    root: Path, clip: Clip, clips: Clips, face: Face, size: int, rngs: Sequence[Generator | None]
) -> list[Streams]:
    """The streams of several views of a clip, one for each of `rngs`, which draw its frames, from decoding it once."""
    views: list[NDArray[np.int64]] = []

    def pick(count: int) -> NDArray[np.int64]:
        views[:] = [sample(count, clips.frames, rng) for rng in rngs]
        return np.unique(np.concatenate(views))

    found = read(root / clip.media, pick)
    frames = {
        int(i): (picture, name) for i, picture, name in zip(found.indices, found.pictures, found.names, strict=True)
    }
    made = []
    for indices in views:
        seen = [frames[int(i)] for i in indices]
        view = Frames([picture for picture, _ in seen], indices, [name for _, name in seen], found.count, found.seconds)
        made.append(cropped(view, root, clip, clips, face, size))
    return made


def cropped(frames: Frames, root: Path, clip: Clip, clips: Clips, face: Face, size: int) -> Streams:
    """The face and the context of a clip's frames, each `size` x `size`.

    Face: the box and `face.margin` pixels around it, clamped to the picture and squeezed to a square. Context, by
    `clips.context`, letterboxed so that places and postures keep their proportions: the whole frame; the frame with
    the face box (without margin, as in CAER-Net) blacked out; or the clip's body box.
    """
    faces, contexts, counts = [], [], Counter[str]()
    for picture, name in zip(frames.pictures, frames.names, strict=True):
        box = face_box(clip.face or {}, name, picture, counts)
        if box is None and face.missing in ("skip", "error"):
            raise Unreadable(f"{root / clip.media}: has no face box that lies in the picture")
        area = pixels(box, picture, face.margin) if box else _stand_in(face.missing, picture)
        if box is None:
            counts[face.missing] += 1
        faces.append(_squeezed(_crop(picture, area), size))
        contexts.append(_letterboxed(_context(picture, clips.context, box, clip.body, counts), size))
    return Streams(np.stack(faces), np.stack(contexts), +counts, frames.count)


def _context(picture: Picture, kind: str, face: Box | None, body: Box | None, counts: Counter[str]) -> Picture:
    """What the second stream shows of a frame, before it is letterboxed."""
    if kind == "masked-face":
        counts["mask: none"] += face is None
        return _masked(picture, pixels(face, picture)) if face else picture
    if kind == "body":
        usable = body is not None and _inside(body, picture)
        counts["body" if usable else "body: full-frame"] += 1
        return _crop(picture, pixels(body, picture)) if body and usable else picture
    return picture


Area = tuple[int, int, int, int]  # whole pixels in the picture: x1, y1, x2, y2


def face_box(boxes: Mapping[str, Box], name: str, picture: Picture, counts: Counter[str]) -> Box | None:
    """The box of a frame: its own, the clip's, or its nearest neighbour's. Counts which, and a box that lay outside."""
    box, how = _chosen(boxes, name)
    if box and not _inside(box, picture):
        counts["outside"] += 1
        box, how = _chosen({frame: other for frame, other in boxes.items() if _inside(other, picture)}, name)
    counts[how] += box is not None
    return box


def _chosen(boxes: Mapping[str, Box], name: str) -> tuple[Box | None, str]:
    if name in boxes:
        return boxes[name], "frame"
    if "" in boxes:
        return boxes[""], "clip"
    if boxes:
        here = _number(name)
        return boxes[min(boxes, key=lambda frame: (abs(_number(frame) - here), _number(frame)))], "nearest"
    return None, ""


def _number(name: str) -> int:
    """A frame's place in time: the last number in its name."""
    numbers = re.findall(r"[0-9]+", name.rsplit(".", 1)[0])
    return int(numbers[-1][-18:]) if numbers else 0  # no file of boxes can make it too long to be a number


def lies_in(box: Box, width: int, height: int) -> bool:
    """Whether any of the box lies in a picture of this size."""
    x1, y1, x2, y2 = box
    return max(x1, 0) < min(x2, width) and max(y1, 0) < min(y2, height)


def _inside(box: Box, picture: Picture) -> bool:
    return lies_in(box, picture.shape[1], picture.shape[0])


def pixels(box: Box, picture: Picture, margin: int = 0) -> Area:
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3])
    return max(0, x1 - margin), max(0, y1 - margin), min(width, x2 + margin), min(height, y2 + margin)


def _stand_in(missing: str, picture: Picture) -> Area:
    height, width = picture.shape[:2]
    if missing == "full-frame":
        return 0, 0, width, height
    if missing != "center-crop":
        raise ValueError(f"face.missing = {missing!r}: the data set decides what it stands for (Adapter.faced)")
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def _crop(picture: Picture, area: Area) -> Picture:
    x1, y1, x2, y2 = area
    return picture[y1:y2, x1:x2]


def _masked(picture: Picture, area: Area) -> Picture:
    x1, y1, x2, y2 = area
    masked = picture.copy()
    masked[y1:y2, x1:x2] = 0
    return masked


def _squeezed(picture: Picture, size: int) -> Picture:
    return _resized(picture, size, size)


def _letterboxed(picture: Picture, size: int) -> Picture:
    height, width = picture.shape[:2]
    top, left = (round((size - size * side / max(height, width)) / 2) for side in (height, width))
    top, left = min(top, (size - 1) // 2), min(left, (size - 1) // 2)  # however thin, something is seen
    framed = np.zeros((size, size, 3), np.uint8)
    framed[top : size - top, left : size - left] = _resized(picture, size - 2 * left, size - 2 * top)
    return framed


def _resized(picture: Picture, width: int, height: int) -> Picture:
    shrinks = picture.shape[1] >= width and picture.shape[0] >= height
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR  # area averages, so small crops don't alias
    return cast(Picture, cv2.resize(picture, (width, height), interpolation=how))
