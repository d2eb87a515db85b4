"""From a clip on disk to two streams of frames: decode, sample, crop, augment.

Every packet is counted before any frame is chosen, because lists and containers miscount; then everything up to
the last wanted frame is decoded but only wanted frames are converted. One thread per decode: parallelism is over
clips, not within one. What can't be read raises `Unreadable`; nothing stands in for a video.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import av
import av.error
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.random import Generator
from numpy.typing import NDArray

from harness.clips import IMAGES, Box, Clip, frame_names
from harness.protocol import Clips, Face

Picture = NDArray[np.uint8]  # [height, width, 3], RGB
Indices = NDArray[np.int64]
Pick = Callable[[int], Indices]


class Unreadable(Exception):
    """A clip that can't be read: the message names the file and why."""


@dataclass
class Streams:
    """What the model sees of a clip, and how each frame's face was found."""

    face: NDArray[np.uint8]  # [T, S, S, 3]
    context: NDArray[np.uint8]  # [T, S, S, 3]
    boxes: Counter[str]  # "frame", "nearest", "clip", "center-crop", "full-frame" -> frames
    count: int  # frames the clip really has


# --- choosing frames --------------------------------------------------------------------------------------------


def sample(count: int, frames: int, rng: Generator | None) -> Indices:
    """Indices of `frames` frames out of `count`, one per equal segment: its middle, or with `rng` any of it.

    The middles are those of the published protocol. A clip shorter than `frames` is spread: every frame occurs,
    in order, about equally often. (The usual padding repeats the last frame, which turns the rest of the clip
    into a still; some code repeats the first one only.)
    """
    order = np.arange(frames, dtype=np.int64)
    if rng is None or count < frames:
        return (2 * order + 1) * count // (2 * frames)
    return rng.integers(order * count // frames, (order + 1) * count // frames)


def frame_count(path: Path) -> int:
    """Frames of a video (its packets, counted), a folder of frames, or an image."""
    if path.is_dir():
        return len(frame_names(path))
    if _is_image(path):
        return 1
    with _opened(path) as (_, packets):
        return len(packets)


# --- reading frames ---------------------------------------------------------------------------------------------


def read_frames(path: Path, pick: Pick) -> tuple[list[Picture], Indices, list[str]]:
    """The picked frames of a video file, a folder of frames, or an image; their indices; their names.

    `pick` is given the true frame count. The name of a video's frame is its index.
    """
    pictures, indices, names, _ = _read(path, pick)
    return pictures, indices, names


def _read(path: Path, pick: Pick) -> tuple[list[Picture], Indices, list[str], int]:
    if path.is_dir():
        names = frame_names(path)
        files = [path / name for name in names]
    elif _is_image(path):
        names, files = [path.name], [path]
    else:
        return _read_video(path, pick)
    if not files:
        raise Unreadable(f"{path}: the folder holds no images")
    indices = pick(len(files))
    pictures = {i: _image(files[i]) for i in set(indices.tolist())}
    return [pictures[i] for i in indices.tolist()], indices, [names[i] for i in indices], len(files)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGES


def _image(path: Path) -> Picture:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from error
    # Boxes were found on the stored pixels, so an orientation tag must not turn the picture.
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION) if len(data) else None
    if picture is None:
        raise Unreadable(f"{path}: " + ("is not an image that can be read" if len(data) else "is empty"))
    return cast(Picture, picture)


def _read_video(path: Path, pick: Pick) -> tuple[list[Picture], Indices, list[str], int]:
    limit: int | None = None
    while True:
        with _opened(path) as (stream, packets):
            count = len(packets) if limit is None else limit
            if not count:
                raise Unreadable(f"{path}: has no frames")
            indices = pick(count)
            wanted = set(indices.tolist())
            found, decoded = _decode(path, stream, packets, wanted)
        if len(found) == len(wanted):
            return [found[i] for i in indices.tolist()], indices, [str(i) for i in indices.tolist()], count
        if decoded >= count:
            raise IndexError(f"{path}: frame {max(wanted)} was picked, of {count}")
        limit = decoded  # some packets held no frame of their own: pick again among the frames that there are


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, list[Any]]]:
    """A video's stream and its packets: they are small, so all are held, and nothing seeks between two passes."""
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise Unreadable(f"{path}: can't be opened as a video ({error.strerror or error})") from error
    with container:
        if not container.streams.video:
            raise Unreadable(f"{path}: has no video stream")
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        try:
            packets = [packet for packet in container.demux(stream) if packet.size]
        except av.error.FFmpegError as error:
            raise Unreadable(f"{path}: breaks while its packets are counted ({error.strerror})") from error
        yield stream, packets


def _decode(path: Path, stream: Any, packets: list[Any], wanted: set[int]) -> tuple[dict[int, Picture], int]:
    """The wanted frames that there are, by index; and how many frames were decoded until the last of them."""
    found: dict[int, Picture] = {}
    last, index = max(wanted), 0
    to_rgb = VideoReformatter()  # one for all frames, on one thread: making it anew costs more than a small frame
    try:
        for packet in [*packets, None]:  # None: hand out the frames still held back
            for frame in stream.codec_context.decode(packet):
                if index in wanted:
                    found[index] = cast(Picture, to_rgb.reformat(frame, format="rgb24", threads=1).to_ndarray())
                index += 1
                if index > last:
                    return found, index
    except av.error.FFmpegError as error:
        raise Unreadable(f"{path}: breaks at frame {index} ({error.strerror})") from error
    return found, index


# --- the two streams --------------------------------------------------------------------------------------------


def streams(root: Path, clip: Clip, clips: Clips, face: Face, size: int, rng: Generator | None) -> Streams:
    """The face and the context of a clip's sampled frames, each `size` x `size`.

    Face: the box and `face.margin` pixels around it, clamped to the picture and squeezed to a square. Context:
    the whole frame (or the clip's body box, where the adapter gives one), letterboxed, so that places and
    postures keep their proportions. With `rng` the clip is augmented: rotation, flip and grey are drawn once and
    are the same for all frames of both streams. They are applied to the crops; for a flip that equals flipping
    picture and box together.
    """
    path = root / clip.media
    pictures, _, names, count = _read(path, lambda count: sample(count, clips.frames, rng))
    change = _augmentation(clips, size, rng) if rng is not None else lambda picture: picture
    faces, contexts, boxes = [], [], Counter[str]()
    for picture, name in zip(pictures, names, strict=True):
        box, how = _face_box(clip.face or {}, name, picture)
        if box is None:
            if face.missing in ("skip", "error"):
                raise Unreadable(f"{path}: has no face box that lies in the picture")
            how, area = face.missing, _stand_in(face.missing, picture)
        else:
            area = _pixels(box, picture, face.margin)
        boxes[how] += 1
        faces.append(change(_squeezed(_crop(picture, area), size)))
        if clips.context == "masked-face" and box is not None:
            picture = _masked(picture, area)
        body = _pixels(clip.body, picture) if clip.body and _inside(clip.body, picture) else None
        contexts.append(change(_letterboxed(_crop(picture, body) if body else picture, size)))
    return Streams(np.stack(faces), np.stack(contexts), boxes, count)


Area = tuple[int, int, int, int]  # whole pixels in the picture: x1, y1, x2, y2


def _face_box(boxes: Mapping[str, Box], name: str, picture: Picture) -> tuple[Box | None, str]:
    """The box of a frame, and how it was found: its own, its nearest neighbour's, or the clip's."""
    boxes = {frame: box for frame, box in boxes.items() if _inside(box, picture)}
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
    return int(numbers[-1]) if numbers else 0


def _inside(box: Box, picture: Picture) -> bool:
    """Whether any of the box lies in the picture."""
    x1, y1, x2, y2 = _pixels(box, picture)
    return x2 > x1 and y2 > y1


def _pixels(box: Box, picture: Picture, margin: int = 0) -> Area:
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = map(int, box)
    return max(0, x1 - margin), max(0, y1 - margin), min(width, x2 + margin), min(height, y2 + margin)


def _stand_in(missing: str, picture: Picture) -> Area:
    height, width = picture.shape[:2]
    if missing == "full-frame":
        return 0, 0, width, height
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
    scale = size / max(height, width)
    inner = _resized(picture, max(1, round(width * scale)), max(1, round(height * scale)))
    framed = np.zeros((size, size, 3), np.uint8)
    top, left = (size - inner.shape[0]) // 2, (size - inner.shape[1]) // 2
    framed[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return framed


def _resized(picture: Picture, width: int, height: int) -> Picture:
    shrinks = picture.shape[1] >= width and picture.shape[0] >= height
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR  # area averages, so small crops don't alias
    return cast(Picture, cv2.resize(picture, (width, height), interpolation=how))


def _augmentation(clips: Clips, size: int, rng: Generator) -> Callable[[Picture], Picture]:
    """One draw for a clip. All three numbers are always drawn, so one knob doesn't change another's luck."""
    angle, flip, grey = rng.uniform(-1, 1) * clips.rotation, rng.random() < clips.flip, rng.random() < clips.grey
    turn = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), angle, 1)

    def change(picture: Picture) -> Picture:
        if angle:
            picture = cast(Picture, cv2.warpAffine(picture, turn, (size, size), flags=cv2.INTER_LINEAR))
        if flip:
            picture = picture[:, ::-1]
        if grey:
            picture = np.repeat(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
        return picture

    return change
