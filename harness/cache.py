"""Per-frame features of a split, computed once by the frozen trunk and kept in one content-addressed file.

The address covers all that the numbers depend on: the copy's fingerprint, which clips, sampling, crops and
augmentation, picture size, and weights. Training clips are kept in V fixed augmented views, the others in the
one evaluation view. A file appears whole or not at all; a lock makes a second process wait, not work twice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from harness import protocol, store
from harness.clips import Clip, Scan
from harness.trunk import Trunk
from harness.video import Streams, Unreadable, streams
from harness.weights import cache_folder

Progress = Callable[[int, int], None]


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
    face: Tensor
    context: Tensor
    boxes: dict[str, int]
    unreadable: list[str]


def picture(root: Path, clip: Clip, views: Views, view: int | None) -> Streams:
    """A clip's two streams. `view` numbers the augmentation, the same for all runs; None is the evaluation view."""
    rng = None if view is None else np.random.default_rng([zlib.crc32(clip.id.encode()), view])
    return streams(root, clip, views.clips, views.face, views.size, rng)


def features(
    scan: Scan, split: str, views: Views, trunk: Callable[[], Trunk], weights: str, progress: Progress
) -> Features:
    """The split's features, from the cache or computed now; `trunk` is only called to compute them."""
    clips = [clip for clip in scan.clips if clip.split == split]
    path = _path(scan, split, views, weights, clips)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_suffix(".lock")):
            if not path.exists():
                store.write_bytes(path, _compute(scan, clips, _view_numbers(split, views), views, trunk(), progress))
    return _load(path, clips)


def _view_numbers(split: str, views: Views) -> Sequence[int | None]:
    return range(views.clips.views) if split == "train" else [None]


def _path(scan: Scan, split: str, views: Views, weights: str, clips: list[Clip]) -> Path:
    address: dict[str, Any] = {
        "protocol": protocol.VERSION,
        "fingerprint": scan.fingerprint,
        "clips": hashlib.sha256("\n".join(clip.id for clip in clips).encode()).hexdigest(),
        "views": dataclasses.asdict(views),
        "weights": weights,
        "split": split,
    }
    if split != "train":  # augmentation does not reach the evaluation view
        for knob in ("views", "rotation", "flip", "grey"):
            del address["views"]["clips"][knob]
    digest = hashlib.sha256(json.dumps(address, sort_keys=True).encode()).hexdigest()[:20]
    return cache_folder() / "features" / f"{scan.root.name.lower()}-{split}-{digest}.safetensors"


def _compute(
    scan: Scan, clips: list[Clip], numbers: Sequence[int | None], views: Views, trunk: Trunk, progress: Progress
) -> bytes:
    kept, boxes, unreadable = [], Counter[str](), []
    rows: dict[str, list[Tensor]] = {"face": [], "context": []}
    for done, (clip, found) in enumerate(_encoded(scan, clips, numbers, views, trunk)):
        progress(done, len(clips))
        if isinstance(found, Unreadable):
            if views.clips.unreadable == "error":
                raise found
            unreadable.append(clip.id)
            continue
        kept.append(clip.id)
        for stack, features in zip(rows.values(), found[0], strict=True):
            stack.append(features)
        boxes.update(found[1])
    progress(len(clips), len(clips))
    if not kept:
        raise Unreadable(f"{scan.root}: none of {len(clips)} clips could be read")
    facts = {"kept": json.dumps(kept), "unreadable": json.dumps(unreadable), "boxes": json.dumps(boxes)}
    return save({name: torch.stack(stack, dim=1).contiguous() for name, stack in rows.items()}, facts)


def _encoded(
    scan: Scan, clips: list[Clip], numbers: Sequence[int | None], views: Views, trunk: Trunk
) -> Iterator[tuple[Clip, tuple[list[Tensor], Counter[str]] | Unreadable]]:
    """Each clip with its features `[V, T, D]` of both streams, in order.

    A thread takes a clip from file to features. On a CPU the trunk runs on one core for each clip: sharing cores
    between its threads and those that decode is many times slower.
    """

    @torch.inference_mode()
    def encode(clip: Clip) -> tuple[list[Tensor], Counter[str]] | Unreadable:
        try:
            pictures = [picture(scan.root, clip, views, number) for number in numbers]
        except Unreadable as error:
            return error
        pixels = (np.stack([getattr(p, name) for p in pictures]) for name in ("face", "context"))
        features = [trunk(torch.from_numpy(stack).to(trunk.mean.device)).cpu() for stack in pixels]
        return features, sum((p.boxes for p in pictures), Counter())

    cores = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from zip(clips, pool.map(encode, clips), strict=True)


def _load(path: Path, clips: list[Clip]) -> Features:
    with safe_open(path, framework="pt") as file:
        facts = file.metadata()
        kept = set(json.loads(facts["kept"]))
        return Features(
            clips=[clip for clip in clips if clip.id in kept],
            face=file.get_tensor("face"),
            context=file.get_tensor("context"),
            boxes=json.loads(facts["boxes"]),
            unreadable=json.loads(facts["unreadable"]),
        )
