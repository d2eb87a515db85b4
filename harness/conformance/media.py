"""Media for small copies of data sets: short clips of coloured blocks, readable, and no two alike."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from harness.data.clips import IMAGES, VIDEOS
from harness.files import write_bytes

WIDTH, HEIGHT = 64, 48  # pixels


def draw(root: Path, path: str, frames: int = 16) -> None:
    """Writes one clip at `path` below `root`: a video or an image by its extension, else a folder of frames.

    A frame has 64 × 48 pixels. What it shows follows from `path` alone: the same copy is drawn everywhere.
    """
    suffix = Path(path).suffix.lower()
    if suffix in VIDEOS:
        _film(root / path, _pictures(path, frames))
    elif suffix in IMAGES:
        _still(root / path, next(_pictures(path, 1)))
    else:
        for number, picture in enumerate(_pictures(path, frames), start=1):
            _still(root / path / f"{number:05d}.jpg", picture)


def _pictures(path: str, count: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(zlib.crc32(path.encode()))
    for _ in range(count):
        blocks = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        yield cv2.resize(blocks, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)


def _still(file: Path, picture: np.ndarray) -> None:
    write_bytes(file, cv2.imencode(file.suffix, picture)[1].tobytes())


def _film(file: Path, pictures: Iterator[np.ndarray]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height = WIDTH, HEIGHT
        for picture in pictures:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        out.mux(stream.encode())
