"""Picking frames from any medium: a video file, a folder of frames, or one image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from harness.data.clips import IMAGES, frame_names
from harness.data.video.films import MOST_FRAMES, opened
from harness.data.video.images import Picture, Unreadable, image, refuse_many

Indices = NDArray[np.int64]
Pick = Callable[[int], Indices]


@dataclass
class Frames:
    """Picked frames. The name of a video's frame is its index, elsewhere it is the file's."""

    pictures: list[Picture]
    indices: Indices
    names: list[str]
    count: int  # frames the medium really has
    seconds: float  # as the container says; 0 where there is none


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


def read(path: Path, pick: Pick) -> Frames:
    """The frames that `pick` picks, given how many there truly are."""
    if not (path.is_dir() or path.suffix.lower() in IMAGES):
        return _from_video(path, pick)
    files = _files(path)
    indices = _picked(path, pick, len(files))
    pictures: dict[int, Picture] = {}
    for i in set(indices.tolist()):
        pictures[i] = image(files[i])
        refuse_many(path, sum(picture.shape[0] * picture.shape[1] for picture in pictures.values()))
    return Frames(
        [pictures[i] for i in indices.tolist()], indices, [files[i].name for i in indices], len(files), seconds=0
    )


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    names = frame_names(path)
    if not names:
        raise Unreadable(f"{path}: the folder holds no images")
    if len(names) > MOST_FRAMES:
        raise Unreadable(f"{path}: the folder holds over {MOST_FRAMES:,} images: no clip")
    return [path / name for name in names]


def _picked(path: Path, pick: Pick, count: int) -> Indices:
    indices = pick(count)
    if indices.max() >= count:
        raise IndexError(f"{path}: frame {indices.max()} was picked, of {count}")
    return indices


def _from_video(path: Path, pick: Pick) -> Frames:
    with opened(path) as film:
        count = film.count
        while True:
            if not count:
                raise Unreadable(f"{path}: has no frames")
            indices = _picked(path, pick, count)
            wanted = set(indices.tolist())
            found, decoded = film.pictures(wanted)
            if len(found) == len(wanted):
                order = indices.tolist()
                return Frames([found[i] for i in order], indices, [str(i) for i in order], count, film.seconds)
            count = decoded  # some packets held no frame of their own: pick again among the frames that there are
