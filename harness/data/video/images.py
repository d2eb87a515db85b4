"""Still pictures: eight-bit RGB whatever is stored, or `Unreadable`.

Sixteen bits become eight by their upper half, grey becomes three equal channels, palettes and CMYK become RGB.
Transparency is dropped, not blended: that is what the loaders of published code do, and the face boxes were found on
such pictures. The size is read from the header first, so that a picture too large is refused before it takes memory;
only formats are opened that both readers know by the same first bytes, so that they can't disagree on it.

A file that is cut off is refused. Damage within the coded data of a JPEG, which has no checksum, can pass: of 60 files
with 40 bytes overwritten, OpenCV and PIL decoded all without an error, and FFmpeg's strict decoder 54, at over a third
more time.
"""

from __future__ import annotations

import io
import stat
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]  # [height, width, 3], RGB

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # what is wrong with a file, `Unreadable` says

MOST_PIXELS = 64_000_000  # of one picture or frame; 8K video has 33 million
MOST_PICKED = 1_000_000_000  # of all frames that are picked of a clip and held at once (3 GB); 120 frames of 4K
MOST_BYTES = 512 << 20  # of one picture's file: more than so many pixels take without any compression, 16 bits each
FORMATS = ("JPEG", "PNG", "BMP", "WEBP")


class Unreadable(Exception):
    """A clip that can't be read: the message names the file and why."""


def refuse_many(path: Path, pixels: int) -> None:
    """Raises `Unreadable` where the picked frames of a clip would not fit into any memory."""
    if pixels > MOST_PICKED:
        more = f"more than the {MOST_PICKED:,} that are held at once; lower clips.views or clips.frames"
        raise Unreadable(f"{path}: its picked frames have {pixels:,} pixels together, {more}")


def refuse_large(path: Path, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise Unreadable(f"{path}: has {width} x {height}, more than the {MOST_PIXELS:,} pixels that are decoded")


def image(path: Path) -> Picture:
    """The picture in a file."""
    data = _content(path)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as header:
            refuse_large(path, *header.size)
        # Boxes were found on the stored pixels, so an orientation tag must not turn the picture.
        how = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    except Image.DecompressionBombError as error:  # PIL has a limit of its own, above ours
        raise Unreadable(f"{path}: has more than the {MOST_PIXELS:,} pixels that are decoded") from error
    except (OSError, SyntaxError, ValueError, cv2.error) as error:
        raise Unreadable(f"{path}: is not an image that can be read") from error
    if picture is None:
        raise Unreadable(f"{path}: is damaged, or cut off")
    return cast(Picture, picture)


def _content(path: Path) -> bytes:
    """The bytes of a file of a sensible size; a pipe would be waited for without end."""
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise Unreadable(f"{path}: is no file")
        if facts.st_size > MOST_BYTES:
            raise Unreadable(f"{path}: has {facts.st_size:,} bytes, more than the {MOST_BYTES:,} that are read")
        data = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from error
    if not data:
        raise Unreadable(f"{path}: is empty")
    return data
