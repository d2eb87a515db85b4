"""What is made of clips once and shared by all runs, folds and processes: crops, and the frozen trunk's features.

A row is one view of one clip under a key of all that its numbers depend on: what the clip shows and where its boxes
are, sampling and crops; for features also augmentation, weights and precision. Training clips are kept in V views, the
others in the one evaluation view, so a second fold, or a larger V, makes only what is new. Crops are for a trunk that
trains: each view is a sampling of frames, augmented anew whenever it is drawn. Features are of fixed augmented views.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness import files, protocol
from harness.data import augment, cupboard
from harness.data.clips import SPLITS, Clip, Scan
from harness.data.media import fact
from harness.data.probe import Probe
from harness.data.shelf import Item, Made, Progress, Rows, Shelf
from harness.data.video import Streams, Unreadable, views_of
from harness.errors import BadInput
from harness.model.trunk import Trunk
from harness.words import storage

STREAMS = ("face", "context")
SHARD = 128 * 2**20  # bytes of a shard, about: it is made in memory


@dataclass(frozen=True)
class Views:
    """What turns a clip into pictures: the settings that decoding and cropping depend on."""

    clips: protocol.Clips
    face: protocol.Face
    size: int


@dataclass
class Stored:
    """Rows of the clips of one split, `[V, N, …]` each, and how their boxes were found.

    A row is features `[T, D]` or, as uint8, crops `[T, S, S, 3]`.
    """

    clips: list[Clip]
    face: Rows
    context: Rows
    boxes: dict[str, int]
    unreadable: list[str]


@dataclass(frozen=True)
class Tower:
    """The frozen trunk as features are made with it: loaded when first needed; model, weights and precision name it."""

    load: Callable[[], Trunk]
    model: str
    weights: str
    width: int
    precision: str = "fp32"
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext


def features(
    scan: Scan, split: str, views: Views, tower: Tower, probes: Mapping[str, Probe], progress: Progress
) -> Stored:
    """The split's features, from the cache or computed now; the tower is only loaded to compute them.

    Raises `Unreadable` for a clip that can't be read unless the settings say to skip it, and where none can be read;
    `BadInput` where the disk has no room.
    """
    return _stored(_features(scan, views, tower), scan, split, views, probes, progress)


def crops(scan: Scan, split: str, views: Views, probes: Mapping[str, Probe], progress: Progress) -> Stored:
    """The split's crops as the trunk takes them, before augmentation. Raises as `features` does."""
    return _stored(_crops(scan, views), scan, split, views, probes, progress)


def check_room(scan: Scan, views: Views, tower: Tower | None, probes: Mapping[str, Probe]) -> None:
    """Raises `BadInput` where the disk has no room for what a copy lacks: features, or without a tower crops."""
    kind = _crops(scan, views) if tower is None else _features(scan, views, tower)
    orders = [_ordered(kind, scan, split, views, probes) for split in SPLITS]
    _check_room(orders[0].shelf.folder, kind.row * sum(order.shelf.lacking(order.items) for order in orders))


def pictures(root: Path, clip: Clip, views: Views, numbers: Sequence[int | None]) -> list[Streams]:
    """Views of a clip that is decoded once. A number draws the frames, the same for all runs; None is the evaluation
    view."""
    rngs = [None if n is None else np.random.default_rng([zlib.crc32(clip.id.encode()), n]) for n in numbers]
    return views_of(root, clip, views.clips, views.face, views.size, rngs)


def augmented(streams: Streams, clip: Clip, views: Views, number: int | None, device: torch.device) -> Tensor:
    """Both streams of a view as the trunk sees them, `[2, T, S, S, 3]`."""
    pixels = torch.from_numpy(np.stack([streams.face, streams.context])).to(device)
    return augment.changed(pixels, augment.drawn(clip.id, number, views.clips))


# ── one shelf of rows ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Kind:
    """A kind of rows: what they are made by (`recipe`), how large one is, what else a training view depends on."""

    name: str
    recipe: Mapping[str, Any]
    row: int  # bytes
    augmented: tuple[float, ...]
    maker: Callable[[Sequence[int | None]], Callable[..., Made]]


@dataclass(frozen=True)
class _Ordered:
    """A split's sound clips, the keys of their views, and the shelf that they stand on."""

    clips: list[Clip]
    lost: list[str]
    numbers: list[int | None]
    items: list[Item[Clip]]
    shelf: Shelf


def _features(scan: Scan, views: Views, tower: Tower) -> _Kind:
    recipe = {**_recipe(views), "model": tower.model, "weights": tower.weights, "precision": tower.precision}
    row = (4 if tower.precision == "fp32" else 2) * tower.width * views.clips.frames * len(STREAMS)
    augmented = (views.clips.rotation, views.clips.flip, views.clips.grey)
    return _Kind(cupboard.FEATURES, recipe, row, augmented, lambda numbers: _encoder(scan.root, numbers, views, tower))


def _crops(scan: Scan, views: Views) -> _Kind:
    row = views.size**2 * 3 * views.clips.frames * len(STREAMS)
    return _Kind(cupboard.FRAMES, _recipe(views), row, (), lambda numbers: _cropper(scan.root, numbers, views))


def _ordered(kind: _Kind, scan: Scan, split: str, views: Views, probes: Mapping[str, Probe]) -> _Ordered:
    clips, lost = sound([clip for clip in scan.clips if clip.split == split], views, probes)
    numbers: list[int | None] = list(range(views.clips.views)) if split == "train" else [None]
    recipe = hashlib.sha256(json.dumps(kind.recipe, sort_keys=True).encode()).hexdigest()[:12]
    keys = [tuple(_key(recipe, scan.root, clip, probes[clip.id], kind.augmented, n) for n in numbers) for clip in clips]
    items = [Item(clip, own) for clip, own in zip(clips, keys, strict=True)]
    shelf = Shelf(cupboard.home(kind.name) / f"{scan.root.name.lower()}-{recipe}")
    return _Ordered(clips, lost, numbers, items, shelf)


def _stored(
    kind: _Kind, scan: Scan, split: str, views: Views, probes: Mapping[str, Probe], progress: Progress
) -> Stored:
    order = _ordered(kind, scan, split, views, probes)
    shelf, clips = order.shelf, order.clips
    _say_what(shelf.folder, scan, kind)
    _check_room(shelf.folder, kind.row * shelf.lacking(order.items))
    most = max(SHARD // (kind.row * len(order.numbers)), 1)
    shelf.fill(order.items, lambda: kind.maker(order.numbers), progress, most)
    kept = [place for place, item in enumerate(order.items) if all(map(shelf.has, item.keys))]
    if not kept:
        raise Unreadable(f"{scan.root}: none of {len(clips) + len(order.lost)} clips of {split} could be read")
    by_view = list(zip(*(order.items[place].keys for place in kept), strict=True))
    boxes = sum((Counter(shelf.facts(key)["boxes"]) for keys in by_view for key in keys), Counter[str]())
    return Stored(
        clips=[clips[place] for place in kept],
        face=shelf.rows("face", by_view),
        context=shelf.rows("context", by_view),
        boxes=dict(boxes),
        unreadable=[*order.lost, *(clips[place].id for place in sorted(set(range(len(clips))) - set(kept)))],
    )


def sound(clips: Sequence[Clip], views: Views, probes: Mapping[str, Probe]) -> tuple[list[Clip], list[str]]:
    """The clips that a closer look found nothing wrong with, and the ids of the others.

    Raises `Unreadable` for the first of those, unless the settings say to skip them.
    """
    lost = [clip.id for clip in clips if probes[clip.id].error]
    if lost and views.clips.unreadable == "error":
        raise Unreadable(probes[lost[0]].error)
    return [clip for clip in clips if not probes[clip.id].error], lost


def _recipe(views: Views) -> dict[str, Any]:
    """What all crops that are made in the same way share."""
    return {
        "protocol": protocol.VERSION,
        "clips": {name: getattr(views.clips, name) for name in ("frames", "context", "unreadable")},
        "face": {name: getattr(views.face, name) for name in ("missing", "margin")},
        "size": views.size,
    }


def _key(recipe: str, root: Path, clip: Clip, probe: Probe, augmented: tuple[float, ...], number: int | None) -> str:
    """Of one view of one clip. The id counts too, since it seeds the view; and the names of frames, since boxes go by
    them."""
    drawn = (*augmented, number) if number is not None else ()
    shows = (fact(root, clip), probe.content, probe.frames, sorted((clip.face or {}).items()), clip.body)
    return hashlib.sha256(repr((recipe, clip.id, shows, drawn)).encode()).hexdigest()[:24]


def _say_what(folder: Path, scan: Scan, kind: _Kind) -> None:
    """`about.json`: for people what the folder holds, and by its time when it was last used."""
    path = folder / "about.json"
    if path.exists():
        with suppress(OSError):  # a cache that others keep is read all the same
            os.utime(path)
    else:
        files.write_json(path, {"dataset": scan.root.name, "kind": kind.name, **kind.recipe})


def _check_room(folder: Path, needed: int) -> None:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        what = f"{storage(needed)} are still to be kept here, and {storage(free)} are free"
        mend = "make room (`harness cache clear`), set HARNESS_CACHE to a larger disk, or lower clips.views"
        raise BadInput(str(folder), what, mend)


# ── what makes rows ─────────────────────────────────────────────────────────────────────────────────────────


def _encoder(root: Path, numbers: Sequence[int | None], views: Views, tower: Tower) -> Callable[..., Made]:
    trunk = tower.load()
    device = trunk.mean.device

    @torch.inference_mode()
    def encode(streams: Streams, clip: Clip, number: int | None) -> Tensor:
        with tower.autocast():  # one view at a time: a row does not depend on which others are made with it
            return trunk(augmented(streams, clip, views, number, device)).cpu()

    return _maker(root, numbers, views, encode)


def _cropper(root: Path, numbers: Sequence[int | None], views: Views) -> Callable[..., Made]:
    return _maker(root, numbers, views, lambda streams, *_: torch.from_numpy(np.stack([streams.face, streams.context])))


def _maker(
    root: Path,
    numbers: Sequence[int | None],
    views: Views,
    rows_of: Callable[[Streams, Clip, int | None], Tensor],
) -> Callable[..., Made]:
    """Makes a clip's rows at some places of `numbers`, `rows_of` giving those of a view: `[2, T, …]`."""

    def make(clip: Clip, places: Sequence[int]) -> Made:
        wanted = [numbers[place] for place in places]
        try:
            seen = pictures(root, clip, views, wanted)
        except Unreadable:
            if views.clips.unreadable == "error":
                raise
            return Made({})
        rows = [rows_of(streams, clip, number) for streams, number in zip(seen, wanted, strict=True)]
        stacked = {name: torch.stack([row[place] for row in rows]) for place, name in enumerate(STREAMS)}
        return Made(stacked, [{"boxes": streams.boxes} for streams in seen])

    return make
