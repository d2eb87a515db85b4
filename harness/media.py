"""A clip's medium on disk: that it lies below the root, and what identifies it without reading it."""

from __future__ import annotations

import functools
import hashlib
import os
import stat
from pathlib import Path, PurePosixPath

from harness.clips import Clip, frame_names
from harness.errors import BadInput


def fact(root: Path, clip: Clip) -> tuple[str, int]:
    """Sizes of the medium's files, as one word (empty: it is not there), and how many images a folder of them has.

    Media are told apart by the sizes of their files and the names of their frames, which costs no reading: a file
    that is replaced by another of the same size looks the same here, and only a manifest, made from the pixels,
    tells. A list from elsewhere must not make us read files outside the data set: raises `BadInput` for a path, or a
    link on it, that leaves the root.
    """
    path = _inside(root, clip)
    try:
        found = os.stat(path)
    except OSError:
        return "", 0
    if stat.S_ISDIR(found.st_mode):
        return _folder(path, found.st_mtime_ns, str(root))
    return (str(found.st_size), 0) if stat.S_ISREG(found.st_mode) else ("", 0)


def _inside(root: Path, clip: Clip) -> str:
    parts = PurePosixPath(clip.media).parts
    path = os.path.join(root, clip.media)
    outside = not parts or clip.media.startswith("/") or ".." in parts or "\0" in clip.media
    if not outside:
        folder, name = os.path.split(path)
        target = os.path.realpath(path) if os.path.islink(path) else os.path.join(_real(folder), name)
        outside = not _below(target, _real(str(root)))
    if outside:
        mend = "keep media below the root; where a link leads elsewhere, give that place as the root"
        raise BadInput(clip.id, f"{clip.media!r} leads outside {root}", mend)
    return path


_real = functools.lru_cache(maxsize=4096)(os.path.realpath)


def _below(path: str, root: str) -> bool:
    return path.startswith(root.rstrip(os.sep) + os.sep)


@functools.cache  # the folds of a set hold the same folders
def _folder(path: str, changed: int, root: str) -> tuple[str, int]:
    """The same of a folder of frames, as it was when it last changed."""
    sizes = []
    for name in frame_names(Path(path)):
        frame = os.path.join(path, name)
        if os.path.islink(frame) and not _below(os.path.realpath(frame), _real(root)):
            raise BadInput(frame, f"leads outside {root}", "copy the frame, or give the other place as the root")
        sizes.append((name, os.stat(frame).st_size))
    return (hashlib.sha256(repr(sizes).encode()).hexdigest(), len(sizes)) if sizes else ("", 0)
