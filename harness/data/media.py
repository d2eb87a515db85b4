"""A clip's medium on disk: that it lies below the root, and what identifies it without reading it.

Lists and copies come from elsewhere, and must not make us read files outside the data set. The root itself may be a
link, and links may lead from one place below it to another; whatever else leads out of it is refused.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from harness.data.clips import Clip, frame_names
from harness.data.paths import real, within
from harness.errors import BadInput

_LINK = (
    "give the place that the link leads to as the root, or put the media below the root "
    "(on the same disk `cp -rlL` does so without taking space)"
)


class Outside(BadInput):
    """A path, or a link on it, that leaves the data root."""


def fact(root: Path, clip: Clip) -> tuple[str, int]:
    """Sizes of the medium's files, as one word (empty: it is not there), and how many images a folder of them has.

    Media are told apart by the sizes of their files and the names of their frames, which costs no reading: a file
    that is replaced by another of the same size looks the same here, and only a manifest, made from the pixels,
    tells. Raises `Outside` for a medium that isn't below the root.
    """
    path = _inside(root, clip)
    try:
        found = os.stat(path)
    except OSError:
        return "", 0
    if stat.S_ISDIR(found.st_mode):
        return _folder(path, found.st_mtime_ns, root)
    return (str(found.st_size), 0) if stat.S_ISREG(found.st_mode) else ("", 0)


def _inside(root: Path, clip: Clip) -> str:
    parts = PurePosixPath(clip.media).parts
    if not parts or clip.media.startswith("/") or ".." in parts or "\0" in clip.media:
        raise Outside(clip.id, f"{clip.media!r} leads outside {root}", "give paths that stay below the root")
    path = os.path.join(root, clip.media)
    folder, name = os.path.split(path)
    target = os.path.realpath(path) if os.path.islink(path) else os.path.join(real(folder), name)
    if not within(root, target):
        raise _outside(clip.id, clip.media, _first_link(root, parts), root)
    return path


def _first_link(root: Path, parts: Sequence[str]) -> str:
    """The link on a path that leads out of the root."""
    paths = [os.path.join(root, *parts[:n]) for n in range(1, len(parts) + 1)]
    return next(path for path in paths if os.path.islink(path) and not within(root, os.path.realpath(path)))


def _outside(where: str, media: str, link: str, root: Path) -> Outside:
    target = os.path.realpath(link)
    if not os.path.exists(target):
        return Outside(where, f"{link} is a broken link: {target} is not there", "make the link anew, or take it away")
    return Outside(where, f"{media!r} leads outside {root}, to {target}: {link} is a link", _LINK)


def forget() -> None:
    """Frames that are overwritten in place leave their folder's time as it was: whoever opens a set looks anew."""
    _folder.cache_clear()


@functools.cache  # the folds of a set hold the same folders
def _folder(path: str, changed: int, root: Path) -> tuple[str, int]:
    """The same of a folder of frames, as it was when it last changed."""
    sizes = []
    for name in frame_names(Path(path)):
        frame = os.path.join(path, name)
        if os.path.islink(frame) and not within(root, os.path.realpath(frame)):
            raise _outside(frame, name, frame, root)
        sizes.append((name, _size(frame)))
    return (hashlib.sha256(repr(sizes).encode()).hexdigest(), len(sizes)) if sizes else ("", 0)


def _size(frame: str) -> int:
    """A frame's size; -1 for a link to nothing, which reading the clip will name."""
    try:
        return os.stat(frame).st_size
    except OSError:
        return -1
