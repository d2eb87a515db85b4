"""Batches of one split, gathered from rows that the cache holds: features, or crops for a trunk that must see pixels.

`batches(picks)` takes picks, (position of the clip, view or None for evaluation). What is picked, in which order and
by which process is the loop's business.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import psutil
import torch
from torch import Tensor

from harness.data import augment
from harness.data.cache import Stored
from harness.methods import Batch
from harness.protocol import Clips

if TYPE_CHECKING:
    import datasets as hf

AHEAD = 2  # batches that are gathered while another trains, where rows are not held on the device
STALLED = 600.0  # seconds after which a read that does not come back is an error and not a wait

Pick = tuple[int, int | None]
T = TypeVar("T")
R = TypeVar("R")


class Stalled(OSError):
    """Rows could not be read in time: a disk or a network file system hangs."""


class Split:
    """Clips by their index (a `datasets.Dataset`), with labels `[N]` and rows `[V, N, …]`. Views beyond V come round
    again.

    Rows are held on the device where they take less than half of what is free there, else they stay mapped and are
    read ahead of the training. Crops are augmented on the device as `clips` says, features were when they were made.
    """

    def __init__(self, index: hf.Dataset, stored: Stored, device: torch.device, clips: Clips) -> None:
        self.index, self.device, self.clips = index, device, clips
        self.classes = index.features["label"].num_classes
        self.labels_on_cpu = np.asarray(index["label"][:])
        self.labels = torch.tensor(self.labels_on_cpu, device=device)
        self.one_hot = torch.eye(self.classes, device=device)
        kept = torch.uint8 if stored.face.dtype == torch.uint8 else torch.float32
        self.held = (stored.face.numel() + stored.context.numel()) * kept.itemsize < _room(device) / 2
        self.face, self.context = (
            rows.read(device, kept) if self.held else rows for rows in (stored.face, stored.context)
        )
        self.level = "features" if len(self.face.shape) == 4 else "pixels"
        self.ids = index["id"][:] if self.level == "pixels" else []

    def __len__(self) -> int:
        return len(self.index)

    def batches(self, picks: Sequence[Sequence[Pick]]) -> Iterator[Batch]:
        where = self.device if self.held else torch.device("cpu")
        positions = torch.tensor([at for batch in picks for at, _ in batch])
        views = torch.tensor([(view or 0) % self.face.shape[0] for batch in picks for _, view in batch])
        sizes = [len(batch) for batch in picks]
        places = list(zip(views.to(where).split(sizes), positions.to(where).split(sizes), strict=True))
        gathered = map(self._rows, places) if self.held else _ahead(self._rows, places)
        for batch, rows, here in zip(picks, gathered, positions.to(self.device).split(sizes), strict=True):
            face, context = (_on_device(part, self.device) for part in rows)
            if self.level == "pixels":
                changes = [augment.drawn(self.ids[at], view, self.clips) for at, view in batch]
                both = map(augment.changed, torch.stack([face, context], dim=1), changes)
                face, context = torch.stack(list(both), dim=1)
            label = self.labels[here]
            yield Batch(face, context, label, self.one_hot[label], self.level)

    def _rows(self, place: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
        rows = tuple(rows[place] for rows in (self.face, self.context))
        return tuple(part.pin_memory() for part in rows) if not self.held and self.device.type == "cuda" else rows


def _on_device(rows: Tensor, device: torch.device) -> Tensor:
    rows = rows.to(device, non_blocking=True)
    return rows if rows.dtype == torch.uint8 else rows.float()


def _room(device: torch.device) -> int:
    """Free bytes of the device's memory; of the machine's, this process's share among its siblings."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = psutil.virtual_memory().available  # with what the system keeps of files, which it gives back
    return free // max(int(os.environ.get("HARNESS_WORKERS", "1")), 1)


def _ahead(make: Callable[[T], R], orders: Sequence[T]) -> Iterator[R]:
    """What `make` makes of the orders, one after the other, begun before it is asked for.

    Raises `Stalled` where nothing comes for too long. The thread is a daemon: one that hangs must not keep the process.
    """
    room, made, left = threading.Semaphore(AHEAD), queue.SimpleQueue[R | Exception](), threading.Event()

    def work() -> None:
        for order in orders:
            room.acquire()
            if left.is_set():
                return
            try:
                made.put(make(order))
            except Exception as error:
                made.put(error)
                return

    threading.Thread(target=work, daemon=True).start()
    try:
        for _ in orders:
            try:
                found = made.get(timeout=STALLED)
            except queue.Empty:
                raise Stalled(f"no rows for {STALLED:.0f} s: the disk of the cache does not answer") from None
            if isinstance(found, Exception):
                raise found
            yield found
            room.release()
    finally:
        left.set()
        room.release()


def as_picks(positions: Iterable[Any], views: Iterable[Any]) -> list[Pick]:
    return [
        (int(position), None if view is None else int(view)) for position, view in zip(positions, views, strict=True)
    ]
