"""Videos and pictures for tests, whose frames tell their own number."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

BITS = 8


def numbered(frames: int, height: int = 48, width: int = 64, first: int = 0) -> list[np.ndarray]:
    """Frames with their number in binary, a bar a digit; the lower half is the negative of the upper."""
    pictures = []
    for number in range(first, first + frames):
        digits = np.array([number >> bit & 1 for bit in range(BITS)], bool)
        upper = np.where(digits[np.arange(width) * BITS // width], 220, 30).astype(np.uint8)
        rows = [upper] * (height // 2) + [250 - upper] * (height - height // 2)
        pictures.append(np.repeat(np.stack(rows)[..., None], 3, axis=2))
    return pictures


def number(picture: np.ndarray) -> int:
    """The number a frame shows; -1 where its halves disagree: a blend, a smear, or another frame's remains."""
    height, width = picture.shape[:2]
    grey = picture.mean(axis=2)
    middles = [(2 * bit + 1) * width // (2 * BITS) for bit in range(BITS)]
    upper, lower = grey[height // 4, middles], grey[height - 1 - height // 4, middles]
    clear = (abs(upper - 125) > 40) & ((upper > 125) != (lower > 125))
    return sum(1 << bit for bit in range(BITS) if upper[bit] > 125) if clear.all() else -1


def encode(
    path: Path,
    pictures: list[np.ndarray],
    codec: str = "mpeg4",
    pixels: str = "",
    times: list[int] | None = None,
    rotation: int | None = None,
    **options: str,
) -> Path:
    """A video; `times` in milliseconds make its frame rate vary."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=10, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixels or ("yuvj420p" if codec == "mjpeg" else "yuv420p")
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times:
                frame.pts, frame.time_base = times[i], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def remux(source: Path, target: Path, start: int = 0, earlier: int = 0, **changes: bytes | None) -> Path:
    """The same packets in another container: those from `start` on, shown `earlier` (in ticks of the source).

    `changes` are the new contents of single packets, as `at_5=…`; None leaves the packet out.
    """
    options = {"avoid_negative_ts": "disabled"} if earlier else {}
    with av.open(str(source)) as old, av.open(str(target), "w", options=options) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for i, packet in enumerate(p for p in old.demux(video=0) if p.size):
            content = changes.get(f"at_{i}", bytes(packet))
            if i >= start and content is not None:
                copy = av.Packet(content)
                copy.pts, copy.dts, copy.time_base = packet.pts - earlier, packet.dts - earlier, packet.time_base
                copy.is_keyframe, copy.stream = packet.is_keyframe, stream
                new.mux(copy)
    return target


def packet(path: Path, at: int) -> bytes:
    with av.open(str(path)) as container:
        return bytes(list(container.demux(video=0))[at])


def folder(path: Path, pictures: list[np.ndarray], names: list[str] | None = None) -> Path:
    path.mkdir(parents=True)
    for i, picture in enumerate(pictures):
        cv2.imwrite(str(path / (names[i] if names else f"{i + 1}.png")), picture[..., ::-1])
    return path


def half_and_half(height: int = 40, width: int = 60) -> np.ndarray:
    """Red on the left, blue on the right."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, : width // 2, 0] = picture[:, width // 2 :, 2] = 255
    return picture
