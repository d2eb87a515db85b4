"""Labelled clips that are not on disk, told so that one sees what was lost: whole folders, or names in another case."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from harness.data.clips import Clip
from harness.words import plural, some

MEND = "complete the copy, or remove the lines"
RESPELT = "rename what is spelt otherwise than in the lists; " + MEND


def told(root: Path, clips: Sequence[Clip]) -> tuple[str, str]:
    """Where these clips are missing, the gravest first, and the mend."""
    gone: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        gone[_first_gone(root, clip.media)].append(clip)
    listed: dict[str, dict[str, str]] = {}
    respelt = {place: other for place in gone if (other := _respelt(root, place, listed))}
    said = [f"{place} is here as {other} ({plural(len(gone[place]), 'clip')})" for place, other in respelt.items()]
    rest = {place: of for place, of in gone.items() if place not in respelt}
    whole = sorted((place for place in rest if len(rest[place]) > 1), key=lambda place: -len(rest[place]))
    said += [f"all of {place}/ ({plural(len(rest[place]), 'clip')})" for place in whole]
    single = [clip for place, of in rest.items() if len(of) == 1 for clip in of]
    said += [f"{clip.id}{_instead(root / clip.media)}" for clip in single]
    return some(said), RESPELT if respelt else MEND


def _first_gone(root: Path, media: str) -> str:
    """The first part of the way to a medium that is not there; the medium itself where nothing usable lies there."""
    parts = media.split("/")
    way = ("/".join(parts[:n]) for n in range(1, len(parts) + 1))
    return next((place for place in way if not os.path.exists(os.path.join(root, place))), media)


def _respelt(root: Path, place: str, listed: dict[str, dict[str, str]]) -> str:
    """The same place in capital and small letters as they are here, if it is; `listed` is kept from place to place."""
    if os.path.lexists(root / place):
        return ""
    folder, _, name = place.rpartition("/")
    if folder not in listed:
        try:
            listed[folder] = {name.casefold(): name for name in os.listdir(root / folder)}
        except OSError:
            listed[folder] = {}
    found = listed[folder].get(name.casefold(), name)
    return "/".join(filter(None, (folder, found))) if found != name else ""


def _instead(path: Path) -> str:
    return " (a folder without frames lies there)" if path.is_dir() else ""
