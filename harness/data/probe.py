"""What one clip's medium truly holds: frames, size, length, and two fingerprints of its pictures.

`content` is equal for copies with the same pixels, however they are packed; `looks` for the same pictures encoded
again or scaled, so that two copies can be compared between sites. A probe reads the first, the middle and the last
frame, and so proves the number of frames. Probes of a copy are kept in one file and made again only for media that
changed; an audit that is interrupted goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import filelock
import numpy as np

from harness import files
from harness.data import cupboard
from harness.data.clips import IMAGES, Box, Clip, Progress
from harness.data.video import Picture, Unreadable, lies_in, read

FORM = 1  # of the kept file: raise it when the same medium would be probed to another result
SAVE_EVERY = 20.0  # seconds


@dataclass(frozen=True, slots=True)
class Probe:
    """One medium. Where it can't be read, `error` says why and the rest is empty."""

    frames: int = 0
    width: int = 0
    height: int = 0
    seconds: float = 0.0  # as the container says; 0 for images and folders
    content: str = ""  # of the pixels of three frames
    looks: str = ""  # difference hash of the middle frame: 64 bits, in hex
    outside: bool = False  # a face box lies wholly outside the picture
    error: str = ""


def probe(path: Path) -> Probe:
    """A medium as it is on disk; what is wrong with it is told and not raised. Boxes are judged by `probes`."""
    try:
        found = read(path, lambda count: np.array([0, (count - 1) // 2, count - 1]))
    except (Unreadable, OSError) as error:
        return Probe(error=str(error))
    height, width = found.pictures[0].shape[:2]
    return Probe(found.count, width, height, found.seconds, _content(found.pictures), _looks(found.pictures[1]))


def probes(root: Path, clips: Iterable[Clip], progress: Progress) -> dict[str, Probe]:
    """The probe of every clip by its id, kept ones where the medium hasn't changed; `progress` is (done, total)."""
    clips = list(clips)
    place = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
    kept_at = cupboard.home(cupboard.PROBES) / f"{root.name.lower()}-{place}.json"
    kept, made = _load(kept_at), Kept()
    stamps = {clip.media: _stamp(root / clip.media) for clip in clips}
    todo = sorted(media for media, stamp in stamps.items() if _outdated(kept.get(media), stamp))
    done, saved = len(stamps) - len(todo), time.monotonic()
    progress(done, len(stamps))
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))  # decoding leaves the interpreter to the others
    try:
        running = {pool.submit(probe, root / media): media for media in todo}
        for future in as_completed(running):
            media = running[future]
            made[media] = stamps[media], future.result()
            done += 1
            progress(done, len(stamps))
            if time.monotonic() - saved > SAVE_EVERY:
                _save(kept_at, made)
                saved = time.monotonic()
    finally:
        pool.shutdown(cancel_futures=True)
        if made:
            _save(kept_at, made)
    kept |= made
    return {clip.id: _with_boxes(kept[clip.media][1], clip.face) for clip in clips}


def _with_boxes(seen: Probe, boxes: Mapping[str, Box] | None) -> Probe:
    inside = (lies_in(box, seen.width, seen.height) for box in (boxes or {}).values())
    return replace(seen, outside=not seen.error and not all(inside))


def _content(pictures: list[Picture]) -> str:
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(str(picture.shape).encode())
        digest.update(picture.tobytes())
    return digest.hexdigest()[:32]


def _looks(picture: Picture) -> str:
    """Whether each of 8 x 8 fields is darker than the one to its right."""
    grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (9, 8), interpolation=cv2.INTER_AREA)
    bits = np.packbits((grey[:, :-1] < grey[:, 1:]).ravel())
    return bits.tobytes().hex()


def _stamp(path: Path) -> str:
    """Sizes and times of the files behind a medium: changes when they do; empty where there is none."""
    try:
        if not path.is_dir():
            known = path.stat()
            return f"{known.st_size} {known.st_mtime_ns}"
        with os.scandir(path) as entries:
            images = sorted((entry.name, entry.stat()) for entry in entries if entry.name.lower().endswith(IMAGES))
    except OSError:
        return ""
    listing = [(name, known.st_size, known.st_mtime_ns) for name, known in images]
    return hashlib.sha256(repr(listing).encode()).hexdigest()[:16]


Kept = dict[str, tuple[str, Probe]]  # medium -> its stamp when it was probed, and what was found


def _outdated(known: tuple[str, Probe] | None, stamp: str) -> bool:
    """Whether to probe; what failed is tried again, since the cause may lie outside of the file."""
    return known is None or known[0] != stamp or bool(known[1].error)


def _load(path: Path) -> Kept:
    """What was kept; nothing where there is no such file or it is of another form (it can be made again)."""
    try:
        held = json.loads(path.read_bytes())
        return {media: _row(*row) for media, row in held["probes"].items()} if held["form"] == FORM else {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _row(stamp: str, *values: Any) -> tuple[str, Probe]:
    """A kept line. Raises `TypeError` or `ValueError` unless it has all values, of the kinds that are written."""
    for value, usual in zip((stamp, *values), ("", *dataclasses.astuple(Probe())), strict=True):
        if type(value) is not type(usual) and not (type(usual) is float and type(value) is int):
            raise TypeError("not a line of this form")
    return stamp, Probe(*values)


def _save(path: Path, made: Kept) -> None:
    """Adds to what is kept, also by other processes in the meantime."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(f"{path}.lock"):
        kept = _load(path) | made
        rows = {media: (stamp, *dataclasses.astuple(found)) for media, (stamp, found) in kept.items()}
        files.write_bytes(path, json.dumps({"form": FORM, "probes": rows}).encode())


def twins(clips: Iterable[Clip], found: Mapping[str, Probe]) -> tuple[tuple[str, str, str, str], ...]:
    """Pairs of clips in different splits that hold the same pictures, pixel by pixel: (id, split, id, split).

    Copies that were encoded again, scaled or cut are not among them. `looks` can't tell these from other clips: they
    differ in up to 9 bits, and 11 of 150,000 pairs of different clips of a miniature differ in 4 or fewer.
    """
    seen: dict[tuple[str, int], dict[str, str]] = {}
    pairs = []
    for clip in clips:
        look = found[clip.id]
        if look.content:
            others = seen.setdefault((look.content, look.frames), {})
            pairs += [(other, split, clip.id, clip.split) for split, other in others.items() if split != clip.split]
            others.setdefault(clip.split, clip.id)
    return tuple(pairs)
