"""Trees of class folders, `<split>/<class>/…`: where no list says the label, the folder's name does.

And the other way round: the media of a tree that no list speaks of.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from harness.data.clips import IMAGES, frame_names
from harness.data.paths import Noting, media_below, stem
from harness.errors import BadInput, nearest


def labelled(
    root: Path, splits: Mapping[str, str], spellings: Mapping[str, int], note: Noting
) -> Iterator[tuple[str, int, str]]:
    """The clips below these split folders: path below the root, label, split.

    `spellings` are all names of a class with its label, whatever their case. Raises `BadInput` for a folder that is no
    class, and where it can't be told what a clip is.
    """
    known = {name.casefold(): label for name, label in spellings.items()}
    for folder, split in splits.items():
        for inner in sorted((root / folder).iterdir()):
            if inner.is_dir() and inner.name[0] not in "._":
                if inner.name.casefold() not in known:
                    raise BadInput(str(inner), "is no class", nearest(inner.name, spellings))
                for path in _media(root, f"{folder}/{inner.name}", note):
                    yield path, known[inner.name.casefold()], split


def beyond(root: Path, below: Iterable[str], labelled: Iterable[str]) -> list[str]:
    """The media below these folders that are none of the labelled ones, in whatever form those lie there."""
    paths = list(labelled)
    known = {stem(path) for path in paths}
    homes = {posixpath.dirname(path) for path in paths if path.lower().endswith(IMAGES)}  # images that are clips
    found = []
    for path in (path for folder in below for path in media_below(root, folder)):
        if path in homes:
            names = (f"{path}/{name}" for name in frame_names(root / path))
            found += [name for name in names if stem(name) not in known]
        elif stem(path) not in known:
            found.append(path)
    return found


def _media(root: Path, folder: str, note: Noting) -> list[str]:
    """A class folder's clips. Where a clip lies there both as video and as frames, the video is taken.

    Refused where images lie beside films: they may be the clips, or thumbnails.
    """
    found = list(media_below(root, folder))
    if images := frame_names(root / folder):  # directly in a class folder they are clips, not frames
        inner = (entry for entry in (root / folder).iterdir() if entry.is_dir())
        below = (posixpath.join(folder, entry.name) for entry in inner if entry.name[0] not in "._")
        if found != [folder] or any(any(media_below(root, each)) for each in below):
            what = f"holds images ({images[0]}, …) beside videos or folders of media: which are the clips?"
            raise BadInput(str(root / folder), what, "keep one kind in a class folder, or give lists")
        return [f"{folder}/{name}" for name in images]
    by_name = {stem(path): path for path in found}
    if len(by_name) < len(found):
        message = f"in {folder} clips lie both as video and as frames; the videos are read"
        note("media-twice", str(root), message, "", len(found) - len(by_name))
    return list(by_name.values())
