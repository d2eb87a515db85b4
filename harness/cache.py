"""Per-frame features of clips, computed once by the frozen trunk and shared by all runs, folds and processes.

A row is one view of one clip under a key of all that its numbers depend on: what the clip shows and where its boxes
are, sampling, crops and augmentation, picture size, weights and precision. Training clips are kept in V fixed
augmented views, the others in the one evaluation view. So a second fold, or a larger V, computes only what is new.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness import protocol
from harness.clips import Clip, Scan
from harness.media import fact
from harness.probe import Probe
from harness.shelf import Item, Made, Progress, Rows, Shelf
from harness.trunk import Trunk
from harness.video import Streams, Unreadable, views_of
from harness.weights import cache_folder

STREAMS = ("face", "context")


@dataclass(frozen=True)
class Views:
    """What turns a clip into pictures: the settings that decoding and cropping depend on."""

    clips: protocol.Clips
    face: protocol.Face
    size: int


@dataclass
class Features:
    """Features of the clips of one split, `[V, N, T, D]` each, and how their boxes were found."""

    clips: list[Clip]
    face: Rows
    context: Rows
    boxes: dict[str, int]
    unreadable: list[str]


@dataclass(frozen=True)
class Tower:
    """The frozen trunk as features are made with it: loaded when first needed; weights and precision name it."""

    load: Callable[[], Trunk]
    weights: str
    precision: str = "fp32"
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext


def picture(root: Path, clip: Clip, views: Views, view: int | None) -> Streams:
    """A clip's two streams. `view` numbers the augmentation, the same for all runs; None is the evaluation view."""
    return pictures(root, clip, views, [view])[0]


def pictures(root: Path, clip: Clip, views: Views, numbers: Sequence[int | None]) -> list[Streams]:
    """Several views of a clip that is decoded once."""
    rngs = [None if n is None else np.random.default_rng([zlib.crc32(clip.id.encode()), n]) for n in numbers]
    return views_of(root, clip, views.clips, views.face, views.size, rngs)


def features(
    scan: Scan, split: str, views: Views, tower: Tower, probes: Mapping[str, Probe], progress: Progress
) -> Features:
    """The split's features, from the cache or computed now; the tower is only loaded to compute them."""
    clips, lost = sound([clip for clip in scan.clips if clip.split == split], views, probes)
    numbers = _numbers(split, views)
    recipe = _recipe(views, tower)
    keys = [tuple(_key(recipe, scan.root, clip, probes[clip.id], views, n) for n in numbers) for clip in clips]
    shelf = Shelf(cache_folder() / "features" / f"{scan.root.name.lower()}-{recipe}")
    items = [Item(clip, own) for clip, own in zip(clips, keys, strict=True)]
    shelf.fill(items, lambda: _encoder(scan.root, numbers, views, tower), progress)
    kept = [place for place, own in enumerate(keys) if all(map(shelf.has, own))]
    if not kept:
        raise Unreadable(f"{scan.root}: none of {len(clips) + len(lost)} clips of {split} could be read")
    boxes: Counter[str] = sum((Counter(shelf.facts(key)["boxes"]) for place in kept for key in keys[place]), Counter())
    by_view = list(zip(*(keys[place] for place in kept), strict=True))
    return Features(
        clips=[clips[place] for place in kept],
        face=shelf.rows("face", by_view),
        context=shelf.rows("context", by_view),
        boxes=dict(boxes),
        unreadable=[*lost, *(clips[place].id for place in sorted(set(range(len(clips))) - set(kept)))],
    )


def sound(clips: Sequence[Clip], views: Views, probes: Mapping[str, Probe]) -> tuple[list[Clip], list[str]]:
    """The clips that a closer look found nothing wrong with, and the ids of the others.

    Raises `Unreadable` for the first of those, unless the settings say to skip them.
    """
    lost = [clip.id for clip in clips if probes[clip.id].error]
    if lost and views.clips.unreadable == "error":
        raise Unreadable(probes[lost[0]].error)
    return [clip for clip in clips if not probes[clip.id].error], lost


def _numbers(split: str, views: Views) -> list[int | None]:
    return list(range(views.clips.views)) if split == "train" else [None]


def _recipe(views: Views, tower: Tower) -> str:
    """The address of all rows that are made in the same way, augmentation aside."""
    clips = {name: getattr(views.clips, name) for name in ("frames", "context", "unreadable")}
    face = {name: getattr(views.face, name) for name in ("missing", "margin")}
    facts = [protocol.VERSION, clips, face, views.size, tower.weights, tower.precision]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def _key(recipe: str, root: Path, clip: Clip, probe: Probe, views: Views, number: int | None) -> str:
    """Of one view of one clip. The id counts too, since it seeds the augmentation; and the names of frames, since
    boxes go by them."""
    augmented = (views.clips.rotation, views.clips.flip, views.clips.grey, number) if number is not None else ()
    shows = (fact(root, clip), probe.content, probe.frames, sorted((clip.face or {}).items()), clip.body)
    return hashlib.sha256(repr((recipe, clip.id, shows, augmented)).encode()).hexdigest()[:24]


def _encoder(root: Path, numbers: Sequence[int | None], views: Views, tower: Tower) -> Callable[..., Made]:
    trunk = tower.load()
    device = trunk.mean.device

    @torch.inference_mode()
    def encode(clip: Clip, places: Sequence[int]) -> Made:
        try:
            seen = pictures(root, clip, views, [numbers[place] for place in places])
        except Unreadable:
            if views.clips.unreadable == "error":
                raise
            return Made({})
        with tower.autocast():  # one view at a time: a row does not depend on which others are made with it
            rows = [trunk(torch.from_numpy(np.stack([s.face, s.context])).to(device)).cpu() for s in seen]
        stacked = {name: torch.stack([row[place] for row in rows]) for place, name in enumerate(STREAMS)}
        return Made(stacked, [{"boxes": s.boxes} for s in seen])

    return encode
