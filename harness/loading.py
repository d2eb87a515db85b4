"""Batches of one split: from features in memory, or from video decoded as it goes when the trunk must see pixels.

Both kinds answer `batches(picks)`, where a pick is (position of the clip, view or None for evaluation). What is
picked, in which order and by which process is the loop's business.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets as hf
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from harness.cache import Features, Views, picture, sound
from harness.clips import Clip, Scan, from_row
from harness.methods import Batch
from harness.probe import Probe
from harness.video import Unreadable

LOADERS = 0 if len(os.sched_getaffinity(0)) < 4 else 4  # loader processes that decode ahead of the trunk

Pick = tuple[int, int | None]


class Split:
    """Clips by their index (a `datasets.Dataset`), with their labels `[N]`; subclasses make batches of them."""

    def __init__(self, index: hf.Dataset, device: torch.device) -> None:
        self.index, self.device = index, device
        self.classes = index.features["label"].num_classes
        self.labels_on_cpu = np.asarray(index["label"][:])
        self.labels = torch.tensor(self.labels_on_cpu, device=device)

    def __len__(self) -> int:
        return len(self.index)

    def batches(self, picks: Sequence[Sequence[Pick]]) -> Iterator[Batch]:
        raise NotImplementedError

    def _batch(self, face: Tensor, context: Tensor, positions: list[int], level: str) -> Batch:
        label = self.labels[positions]
        return Batch(face, context, label, F.one_hot(label, self.classes).float(), level)


class FeatureSplit(Split):
    """Features `[V, N, T, D]`: a batch is one gather. Views beyond V come round again.

    They are held on the device where they take less than half of what is free there, else they stay mapped.
    """

    def __init__(self, index: hf.Dataset, features: Features, device: torch.device) -> None:
        super().__init__(index, device)
        held = features.face.nbytes + features.context.nbytes < _room(device) / 2
        self.face, self.context = (
            rows.read().float().to(device) if held else rows for rows in (features.face, features.context)
        )

    def batches(self, picks: Sequence[Sequence[Pick]]) -> Iterator[Batch]:
        for batch in picks:
            positions = [position for position, _ in batch]
            views = [(view or 0) % self.face.shape[0] for _, view in batch]
            face, context = (rows[views, positions].float().to(self.device) for rows in (self.face, self.context))
            yield self._batch(face, context, positions, "features")


def _room(device: torch.device) -> int:
    """Free bytes of the device's memory; of the machine's, this process's share among its siblings."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return free // max(int(os.environ.get("HARNESS_WORKERS", "1")), 1)


class PixelSplit(Split):
    """Video decoded for every batch by loader processes; unreadable clips were dropped beforehand, or raise."""

    def __init__(self, index: hf.Dataset, root: Path, views: Views, device: torch.device) -> None:
        super().__init__(index, device)
        self.root, self.views = root, views

    def batches(self, picks: Sequence[Sequence[Pick]]) -> Iterator[Batch]:
        dataset = _Pictures(self.index, self.root, self.views, picks)
        loader = DataLoader(dataset, batch_size=None, num_workers=LOADERS)
        for (face, context), batch in zip(loader, picks, strict=True):
            positions = [position for position, _ in batch]
            yield self._batch(face.to(self.device), context.to(self.device), positions, "pixels")


class _Pictures(Dataset):
    """Item i: the pixels of the i-th batch, both streams `[B, T, S, S, 3]` uint8."""

    def __init__(self, index: hf.Dataset, root: Path, views: Views, picks: Sequence[Sequence[Pick]]) -> None:
        self.index, self.root, self.views, self.picks = index, root, views, picks

    def __len__(self) -> int:
        return len(self.picks)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        found = [picture(self.root, from_row(self.index[at]), self.views, view) for at, view in self.picks[index]]
        return (
            torch.stack([torch.from_numpy(streams.face) for streams in found]),
            torch.stack([torch.from_numpy(streams.context) for streams in found]),
        )


def readable(
    scan: Scan, split: str, views: Views, probes: Mapping[str, Probe]
) -> tuple[list[Clip], dict[str, int], list[str]]:
    """The clips of a split that can be decoded, how their boxes were found, and the ids of the others.

    Reads the evaluation view of every clip once, so that nearly every broken file is met before training.
    """
    candidates, lost = sound([clip for clip in scan.clips if clip.split == split], views, probes)
    clips, boxes = [], Counter[str]()
    for clip in candidates:
        try:
            boxes.update(picture(scan.root, clip, views, None).boxes)
            clips.append(clip)
        except Unreadable:
            if views.clips.unreadable == "error":
                raise
            lost.append(clip.id)
    return clips, dict(boxes), lost


def as_picks(positions: Iterable[Any], views: Iterable[Any]) -> list[Pick]:
    return [
        (int(position), None if view is None else int(view)) for position, view in zip(positions, views, strict=True)
    ]
