"""Batches of one split: from features in memory, or from video decoded as it goes when the trunk must see pixels.

Both kinds answer `batches(picks)`, where a pick is (position of the clip, view or None for evaluation). What is
picked, in which order and by which process is the loop's business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from harness.cache import Features, Views, picture
from harness.clips import Clip, Scan
from harness.methods import Batch
from harness.video import Unreadable

Pick = tuple[int, int | None]


@dataclass
class Split:
    """Clips with their labels `[N]`; subclasses know how pictures or features come to them."""

    clips: list[Clip]
    classes: int
    device: torch.device

    def __post_init__(self) -> None:
        self.labels = torch.tensor([clip.label for clip in self.clips], device=self.device)

    def __len__(self) -> int:
        return len(self.clips)

    def batches(self, picks: Sequence[Sequence[Pick]]) -> Iterator[Batch]:
        raise NotImplementedError

    def _batch(self, face: Tensor, context: Tensor, positions: list[int], level: str) -> Batch:
        label = self.labels[positions]
        return Batch(face, context, label, F.one_hot(label, self.classes).float(), level)


class FeatureSplit(Split):
    """Features `[V, N, T, D]` on the device: a batch is one gather. Views beyond V come round again."""

    def __init__(self, features: Features, classes: int, device: torch.device) -> None:
        super().__init__(features.clips, classes, device)
        self.face, self.context = features.face.to(device), features.context.to(device)

    def batches(self, picks: Sequence[Sequence[Pick]]) -> Iterator[Batch]:
        for batch in picks:
            positions = [position for position, _ in batch]
            views = [(view or 0) % len(self.face) for _, view in batch]
            yield self._batch(self.face[views, positions], self.context[views, positions], positions, "features")


class PixelSplit(Split):
    """Video decoded for every batch by loader processes; unreadable clips were dropped beforehand, or raise."""

    def __init__(self, scan: Scan, clips: list[Clip], views: Views, classes: int, device: torch.device, workers: int):
        super().__init__(clips, classes, device)
        self.scan, self.views, self.workers = scan, views, workers

    def batches(self, picks: Sequence[Sequence[Pick]]) -> Iterator[Batch]:
        dataset = _Pictures(self.scan, self.clips, self.views, picks)
        loader = DataLoader(dataset, batch_size=None, num_workers=self.workers)
        for (face, context), batch in zip(loader, picks, strict=True):
            positions = [position for position, _ in batch]
            yield self._batch(face.to(self.device), context.to(self.device), positions, "pixels")


class _Pictures(Dataset):
    """Item i: the pixels of the i-th batch, both streams `[B, T, S, S, 3]` uint8."""

    def __init__(self, scan: Scan, clips: list[Clip], views: Views, picks: Sequence[Sequence[Pick]]) -> None:
        self.scan, self.clips, self.views, self.picks = scan, clips, views, picks

    def __len__(self) -> int:
        return len(self.picks)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        found = [picture(self.scan, self.clips[at], self.views, view) for at, view in self.picks[index]]
        return (
            torch.stack([torch.from_numpy(streams.face) for streams in found]),
            torch.stack([torch.from_numpy(streams.context) for streams in found]),
        )


def readable(scan: Scan, split: str, views: Views) -> tuple[list[Clip], dict[str, int], list[str]]:
    """The clips of a split that can be decoded, how their boxes were found, and the ids of the others.

    Reads the evaluation view of every clip once, so that a broken file is met before training and not within.
    """
    clips, boxes, lost = [], Counter[str](), []
    for clip in scan.clips:
        if clip.split != split:
            continue
        try:
            boxes.update(picture(scan, clip, views, None).boxes)
            clips.append(clip)
        except Unreadable:
            if views.clips.unreadable == "error":
                raise
            lost.append(clip.id)
    return clips, dict(boxes), lost


def as_picks(positions: Sequence[int], views: Sequence[Any]) -> list[Pick]:
    return [(int(position), None if view is None else int(view)) for position, view in zip(positions, views, strict=True)]
