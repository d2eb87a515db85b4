"""Every kind of still picture becomes the same eight-bit RGB, or is named."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from harness.data import video
from harness.data.video import Unreadable


def colours() -> np.ndarray:
    """A smooth picture, so that lossy formats are near it."""
    y, x = np.mgrid[0:48, 0:64]
    return np.stack([x * 4, y * 5, (x + y) * 2], axis=2).clip(0, 255).astype(np.uint8)


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def read(path: Path, data: bytes) -> np.ndarray:
    path.write_bytes(data)
    return video.read(path, np.arange).pictures[0]


def differs(found: np.ndarray, wanted: np.ndarray) -> float:
    assert found.dtype == np.uint8 and found.shape == wanted.shape
    return float(abs(found.astype(int) - wanted).max())


def test_colour_is_colour_in_every_format(tmp_path: Path) -> None:
    rgb = Image.fromarray(colours())
    for kind in ("PNG", "BMP"):
        assert differs(read(tmp_path / f"a.{kind.lower()}", saved(rgb, kind)), colours()) == 0
    assert differs(read(tmp_path / "a.webp", saved(rgb, "WEBP", lossless=True)), colours()) == 0
    assert differs(read(tmp_path / "a.jpg", saved(rgb, "JPEG", quality=98)), colours()) < 12
    assert differs(read(tmp_path / "cmyk.jpg", saved(rgb.convert("CMYK"), "JPEG", quality=98)), colours()) < 12


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    few = Image.fromarray(colours()).quantize(32)
    assert differs(read(tmp_path / "a.png", saved(few, "PNG")), np.asarray(few.convert("RGB"))) == 0


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_grey_is_three_equal_channels(tmp_path: Path, kind: str) -> None:
    grey = colours()[..., 0]
    found = read(tmp_path / f"a.{kind.lower()}", saved(Image.fromarray(grey), kind))
    assert differs(found, np.repeat(grey[..., None], 3, axis=2)) < 6


def test_sixteen_bits_keep_their_upper_half(tmp_path: Path) -> None:
    deep = colours().astype(np.uint16) * 256 + 77
    assert differs(read(tmp_path / "a.png", cv2.imencode(".png", deep[..., ::-1])[1].tobytes()), colours()) == 0
    grey = cv2.imencode(".png", deep[..., 1])[1].tobytes()
    assert differs(read(tmp_path / "b.png", grey), np.repeat(colours()[..., 1:2], 3, axis=2)) == 0


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_transparency_is_dropped_and_not_blended(tmp_path: Path, kind: str) -> None:
    alpha = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    picture = Image.fromarray(np.dstack([colours(), alpha]))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    assert differs(read(tmp_path / f"a.{kind.lower()}", saved(picture, kind, **options)), colours()) == 0


def test_an_orientation_tag_does_not_turn_the_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(Image.fromarray(colours()), "JPEG", quality=98, exif=exif)
    assert differs(read(tmp_path / "a.jpg", data), colours()) < 12


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0, 0.02, 0.6, 0.97])
def test_a_picture_that_is_cut_off_is_named(tmp_path: Path, kind: str, share: float) -> None:
    data = saved(Image.fromarray(colours()), kind)
    with pytest.raises(Unreadable, match=r"a\.\w+: is (empty|damaged|not an image)"):
        read(tmp_path / f"a.{kind.lower()}".replace("jpeg", "jpg"), data[: int(share * len(data))])


def test_text_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"a\.png: is not an image"):
        read(tmp_path / "a.png", b"not a picture " * 50)
    with pytest.raises(Unreadable, match=r"b\.png: No such file"):
        video.read(tmp_path / "b.png", np.arange)


@pytest.mark.parametrize("side", [9_000, 30_000, 60_000])
def test_a_picture_that_would_fill_the_memory_is_refused_before_it_does(tmp_path: Path, side: int) -> None:
    tracemalloc.start()
    with pytest.raises(Unreadable, match=r"bomb\.png: has .*more than the 64,000,000 pixels"):
        read(tmp_path / "bomb.png", bomb(side))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


def bomb(side: int) -> bytes:
    """A few bytes of PNG that announce `side` x `side` pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(3 * side + 1))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
