"""Paths in lists and in copies: whose they are, where the clips they mean lie, and which media a folder holds.

A list may come from another machine, double its prefixes or name a clip by a number only. Where a foreign path
begins to be ours is decided over the whole list, by the reading under which most clips exist, and reported.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TypeVar

from harness.data.clips import IMAGES, VIDEOS
from harness.errors import BadInput

T = TypeVar("T")
Noting = Callable[[str, str, str, str, int], None]  # kind, where, message, mend, count
_DEPTH = 3  # folders below the root in which a home of clips is looked for


def plain(path: str) -> str:
    """A path with `/` between its folders and no empty or `.` parts; `..` stays, to be refused later."""
    return "/".join(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))


def from_last(path: str, folders: Iterable[str]) -> str:
    """The path from the last of the known folders on: `/home/x/train/RAER/train/7` is `train/7`."""
    parts = plain(path).split("/")
    starts = [i for i, part in enumerate(parts[:-1]) if part.casefold() in folders]
    return "/".join(parts[starts[-1] :]) if starts else "/".join(parts)


def stem(path: str) -> str:
    """A path without its media extension; a dot in a folder's name is no extension."""
    head, extension = os.path.splitext(path)
    return head if extension.lower() in VIDEOS + IMAGES else path


def existing(root: Path, path: str) -> str | None:
    """`path`, or the same clip in another form (extracted frames, another container or image format), if on disk.

    An image stands in for an image only: one beside where a video should be is its thumbnail.
    """
    if os.path.exists(os.path.join(root, path)):
        return path
    name = stem(path)
    others = (name, *(name + extension for extension in (IMAGES if path.lower().endswith(IMAGES) else VIDEOS)))
    return next((other for other in others if os.path.exists(os.path.join(root, other))), None)


def best(forms: Mapping[str, Callable[[T], object]], items: Sequence[T]) -> tuple[str, int]:
    """The name of the form under which most items hit (return something true), and its hits; first wins ties."""
    hits = {name: sum(bool(form(item)) for item in items) for name, form in forms.items()}
    name = max(hits, key=lambda name: hits[name])
    return name, hits[name]


def place(paths: Sequence[str], root: Path, folders: Iterable[str], where: str, note: Noting) -> list[str]:
    """Paths as written, perhaps on another machine, as paths below `root`: the reading under which most exist.

    Where none exists under any reading, a path is read from its last split folder on.
    """
    known = {folder.casefold() for folder in folders}
    split_folder = "from the last split folder on"
    readings: dict[str, Callable[[str], str]] = {"as written": plain, split_folder: partial(from_last, folders=known)}
    shorter: dict[str, int] = {}
    for n in range(1, min(plain(path).count("/") for path in paths) + 1):
        name = f"without the first {f'{n} folders' if n > 1 else 'folder'}"
        readings[name], shorter[name] = partial(_without_first, n), n
    name, hits = best({name: partial(_exists, root, read) for name, read in readings.items()}, _sample(paths, 200))
    if not hits:
        name = split_folder
    placed = [readings[name](path) for path in paths]
    if name in shorter:
        _refuse_collisions([plain(path) for path in paths], placed, root, shorter[name], where)
    changed = [path for path, there in zip(paths, placed, strict=True) if there != plain(path)]
    if changed:
        note("foreign-paths", where, f"paths like {changed[0]!r} are read {name}", "", len(changed))
    return placed


def home_of(root: Path, clips: Sequence[Sequence[str]], known: Sequence[str], note: Noting) -> str:
    """The folder below `root` in which clips lie, each named in one of its forms: a known one, else any there is.

    Where no folder holds any of them it is the first known one, where they would lie in the original.
    """
    sample = _sample(clips, 50)

    def holds(home: str, clip: Sequence[str]) -> bool:
        return any(existing(root, f"{home}/{form}" if home else form) for form in clip)

    def hits(homes: Iterable[str]) -> dict[str, int]:
        counted = {home: sum(holds(home, clip) for clip in sample) for home in homes}
        return {home: n for home, n in counted.items() if n}

    firsts = {form.split("/")[0] for clip in clips for form in clip}
    found = hits(known) or hits(_folders(root, firsts))
    if not found:
        return known[0]
    home = max(found, key=lambda home: found[home])
    others = [other for other in found if other != home]
    if others or home != known[0]:
        besides = f"; they are also in {', '.join(others)}" if others else ""
        note("media-home", str(root / home), f"the clips are read from here{besides}", "", len(clips))
    return home


def media_below(root: Path, folder: str, entered: set[str] | None = None) -> Iterator[str]:
    """Every video, and every folder of images, at any depth below `folder`, in order; hidden ones aside.

    Images beside a video are its thumbnails or its extracted frames: the video counts. A link that leads outside the
    root is named and not entered: nothing there is ours to list. `entered` holds where links have led so far; each
    place is gone to once, or folders that link each other would be walked in every order there is.
    """
    if entered is None:
        entered = set()
        if not within(root, os.path.realpath(root / folder)):
            yield folder
            return
    entries = [entry for entry in _entries(root / folder) if entry.name[0] not in "._"]
    videos = [entry.name for entry in entries if entry.name.lower().endswith(VIDEOS)]
    if not videos and any(entry.name.lower().endswith(IMAGES) for entry in entries):
        yield folder
        return
    for entry in entries:
        inner = posixpath.join(folder, entry.name)
        if not _leads_on(entry):
            continue
        if _leads_out(root, entry):
            yield inner
        elif not entry.is_symlink():
            yield from media_below(root, inner, entered)
        elif (target := os.path.realpath(entry.path)) not in entered:
            entered.add(target)
            yield from media_below(root, inner, entered)
    yield from (posixpath.join(folder, name) for name in videos)


def within(root: Path, path: str) -> bool:
    """Whether a real path is the root or below it; the root itself may be a link."""
    return f"{path}{os.sep}".startswith(real(str(root)).rstrip(os.sep) + os.sep)


def real(folder: str) -> str:
    """A folder without links in its path, looked up once: most clips lie in few folders."""
    return _real(os.path.abspath(folder))


_real = lru_cache(maxsize=4096)(os.path.realpath)


def _folders(root: Path, clips: set[str], below: str = "", depth: int = 0) -> Iterator[str]:
    """The root and its folders, nearest first; those that are clips themselves, or elsewhere, aside."""
    yield below
    if depth < _DEPTH:
        for entry in _entries(root / below):
            named = entry.name[0] not in "._" and entry.name not in clips and not entry.name.isdigit()
            if named and _leads_on(entry) and not _leads_out(root, entry):
                yield from _folders(root, clips, posixpath.join(below, entry.name), depth + 1)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise BadInput(str(folder), f"can't be read: {error.strerror}", "check the folder and its rights") from error


def _leads_on(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder to go into: a link to a folder that holds it would lead round and round."""
    try:
        if not entry.is_dir():
            return False
    except OSError:  # a link to itself
        return False
    if not entry.is_symlink():
        return True
    above = Path(os.path.abspath(entry.path)).parents
    return os.path.realpath(entry.path) not in map(os.path.realpath, above)


def _leads_out(root: Path, entry: os.DirEntry[str]) -> bool:
    return entry.is_symlink() and not within(root, os.path.realpath(entry.path))


def _sample(items: Sequence[T], count: int) -> Sequence[T]:
    return items[:: max(1, len(items) // count)]


def _refuse_collisions(paths: Sequence[str], placed: Sequence[str], root: Path, cut: int, where: str) -> None:
    """Refuses a reading that makes one file of clips that the lists tell apart, as a root inside the set does."""
    first: dict[str, str] = {}
    pairs = [(first.setdefault(there, path), path) for path, there in zip(paths, placed, strict=True)]
    twice = [(one, other) for one, other in pairs if one != other]
    if twice:
        one, other = twice[0]
        what = f"{one!r} and {other!r} would be one file below {root}, and so would {len(twice):,} pairs in all"
        above = Path(os.path.abspath(root)).parents[:cut]
        higher = str(above[-1]) if above and existing(above[-1], one) else "the folder below which these paths lie"
        raise BadInput(where, what, f"the root is too low in the tree: give {higher}")


def _without_first(n: int, path: str) -> str:
    return plain(path).split("/", n)[-1]


def _exists(root: Path, read: Callable[[str], str], path: str) -> bool:
    return existing(root, read(path)) is not None
