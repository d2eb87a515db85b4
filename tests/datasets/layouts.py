"""Tiny copies of the seven sets, as their publishers lay them out, clean or with one thing that goes wrong.

`build(name, root)` lays out a clean copy with real, readable media, no two alike; `build(name, root, quirk)` then
spoils it in the way that `QUIRKS[name][quirk]` does. A quirk is a function of the folder, and its docstring is
what is wrong; so whoever looks for trouble (adapters, the audit) can walk through all of them.
"""

from __future__ import annotations

from pathlib import Path

from natives import BODY, CLEAN, FACE, HEADER, MAFW_CLASSES, NUMBERS, folder, image, lines, lists, media, video, write
from quirks import QUIRKS

__all__ = [
    "BODY",
    "FACE",
    "HEADER",
    "MAFW_CLASSES",
    "NUMBERS",
    "QUIRKS",
    "build",
    "folder",
    "image",
    "lines",
    "lists",
    "media",
    "video",
    "write",
]


def build(name: str, root: Path, quirk: str | None = None) -> Path:
    """Lays out a copy of a set in `root`, and spoils it where a quirk is named."""
    CLEAN[name](root)
    if quirk:
        QUIRKS[name][quirk](root)
    return root
