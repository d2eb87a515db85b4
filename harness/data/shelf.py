"""Rows of tensors by key, kept in shards that many processes write together and map into memory.

A shard is a safetensors file that appears whole or not at all, so a process that dies half-way leaves nothing but
work for others; its lock is freed by the system. Which keys form a shard depends on what is missing alone, so
processes agree on the shards and share them out by locking. A damaged shard is made again.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import filelock
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from harness import files
from harness.data import usage
from harness.data.clips import Progress

ITEMS = 64  # items of a shard: large enough that files are few, small enough that what a dead process loses is little
POLL = 0.2  # seconds between two looks at shards that other processes are making

T = TypeVar("T")


@dataclass
class Made:
    """What was made of one item: rows by tensor name, `[n, …]` for its n keys, and a fact for each key.

    An item that can't be made has no rows. It is tried again by whoever comes next, since the cause may lie outside.
    """

    rows: dict[str, Tensor]
    facts: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Item(Generic[T]):
    """Something to be made, and the keys of the rows that it gives."""

    value: T
    keys: tuple[str, ...]


Make = Callable[[T, Sequence[int]], Made]


@dataclass(frozen=True)
class _Order(Generic[T]):
    """What of an item is missing."""

    value: T
    places: tuple[int, ...]
    keys: tuple[str, ...]


class Shelf:
    """The rows of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._places: dict[str, tuple[str, int]] = {}  # key -> shard and row
        self._facts: dict[str, dict[str, Any]] = {}
        self._shards: dict[str, dict[str, Tensor]] = {}

    def lacking(self, items: Sequence[Item[T]]) -> int:
        """How many rows are still to be made."""
        self._look()
        return sum(key not in self._places for item in items for key in item.keys)

    def fill(
        self, items: Sequence[Item[T]], maker: Callable[[], Make[T]], progress: Progress, most: int = ITEMS
    ) -> None:
        """Makes what is missing, sharing the work with whoever else fills the same shelf.

        `maker` gives, when there is anything to make, what makes it: of an item's value, the rows of the keys at
        the places that it is told. A shard is made of at most `most` items.
        """
        self._look()
        chunks = [self._missing(chunk) for chunk in _chunks(items, min(most, ITEMS))]
        shards = {_name(orders): orders for orders in chunks if orders}
        missing = sum(map(len, chunks))
        done = len(items) - missing
        progress(done, len(items))
        if not missing:
            return
        make = maker()
        with ThreadPoolExecutor(len(os.sched_getaffinity(0)), initializer=_one_thread) as pool:
            while shards:
                before = len(shards)
                for name in _from_here(list(shards)):
                    count = _Count(progress, done, len(items))
                    if self._made(name, shards[name], make, pool, count):
                        done += len(shards.pop(name))
                        progress(done, len(items))
                if len(shards) == before:
                    time.sleep(POLL)
        self._look()

    def _missing(self, items: Sequence[Item[T]]) -> list[_Order[T]]:
        """What of the items is not there. Items are cut into shards before that, or one that can't be made would shift
        all shards behind it for who comes later."""
        lacking = ((item, tuple(n for n, key in enumerate(item.keys) if key not in self._places)) for item in items)
        return [_Order(item.value, at, tuple(item.keys[n] for n in at)) for item, at in lacking if at]

    def facts(self, key: str) -> dict[str, Any]:
        return self._facts[key]

    def has(self, key: str) -> bool:
        """Whether there is a row; what can't be made has none."""
        return key in self._places

    def rows(self, name: str, keys: Sequence[Sequence[str]]) -> Rows:
        """The rows of one tensor, laid out `[len(keys), len(keys[0])]`; only mapped, not read."""
        used = sorted({self._places[key][0] for line in keys for key in line})
        order = {shard: place for place, shard in enumerate(used)}
        places = [[(order[self._places[key][0]], self._places[key][1]) for key in line] for line in keys]
        return Rows([self._tensors(shard)[name] for shard in used], torch.tensor(places).reshape(len(keys), -1, 2))

    def _tensors(self, shard: str) -> dict[str, Tensor]:
        if shard not in self._shards:
            with safe_open(self.folder / shard, framework="pt") as file:
                self._shards[shard] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return self._shards[shard]

    def _made(
        self,
        name: str,
        orders: Sequence[_Order[T]],
        make: Make[T],
        pool: ThreadPoolExecutor,
        count: Callable[[int], None],
    ) -> bool:
        """Makes a shard unless it is there; False where another process is at it."""
        path = self.folder / name
        if path.exists():
            return True
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with filelock.FileLock(path.with_suffix(".lock"), timeout=0):
                if not path.exists():
                    made = []
                    for result in pool.map(lambda order: make(order.value, order.places), orders):
                        made.append(result)
                        count(len(made))
                    if any(result.rows for result in made):
                        files.write_bytes(path, _pack(orders, made))
        except filelock.Timeout:
            return False
        path.with_suffix(".lock").unlink(missing_ok=True)
        return True

    def _look(self) -> None:
        """Reads what shards there are and that were not known yet; a damaged one is put away, to be made again."""
        known = {shard for shard, _ in self._places.values()}
        if self.folder.is_dir():
            usage.use(self.folder)
        for path in sorted(self.folder.glob("*.safetensors")):
            if path.name in known:
                continue
            try:
                with safe_open(path, framework="pt") as file:
                    held = json.loads(file.metadata()["keys"])
            except (SafetensorError, KeyError, TypeError, ValueError) as error:  # an OSError is not the shard's fault
                print(f"{path}: damaged ({error!s:.200}), it is made again", file=sys.stderr, flush=True)
                path.unlink(missing_ok=True)
                continue
            for key, row, facts in held:
                self._places[key], self._facts[key] = (path.name, row), facts


@dataclass(frozen=True)
class _Count:
    """Progress within a shard, on top of what was done before it."""

    progress: Progress
    done: int
    total: int

    def __call__(self, more: int) -> None:
        self.progress(self.done + more, self.total)


class Rows:
    """Rows `[A, B, …]` that lie in several mapped tensors: indexed like one tensor, or read as one."""

    def __init__(self, parts: list[Tensor], places: Tensor) -> None:
        self.parts, self.places = parts, places
        self.shape = (*places.shape[:2], *parts[0].shape[1:])

    def numel(self) -> int:
        return math.prod(self.shape)

    @property
    def dtype(self) -> torch.dtype:
        return self.parts[0].dtype

    def __getitem__(self, index: tuple[Any, Any]) -> Tensor:
        """`rows[lines, positions]`, as of a tensor with two lists of indices."""
        found = self.places[index].reshape(-1, 2)
        out = torch.empty((len(found), *self.shape[2:]), dtype=self.parts[0].dtype)
        for part in found[:, 0].unique().tolist():
            here = found[:, 0] == part
            out[here] = self.parts[part][found[here, 1]]
        return out

    def read(self, device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> Tensor:
        """All of them, on a device: part by part, so that the host never holds them all."""
        out = torch.empty(self.shape, dtype=dtype or self.dtype, device=device)
        flat, places = out.flatten(0, 1), self.places.reshape(-1, 2)
        for part in places[:, 0].unique().tolist():
            here = (places[:, 0] == part).nonzero().flatten()
            flat[here.to(device)] = self.parts[part][places[here, 1]].to(device, out.dtype)
        return out


def _chunks(items: Sequence[T], most: int) -> Iterable[Sequence[T]]:
    return (items[start : start + most] for start in range(0, len(items), most))


def _name(orders: Sequence[_Order[Any]]) -> str:
    keys = "\n".join(key for order in orders for key in order.keys)
    return hashlib.sha256(keys.encode()).hexdigest()[:20] + ".safetensors"


def _from_here(names: list[str]) -> list[str]:
    """The same work from another start in every process, so that they do not all try the same locks."""
    start = os.getpid() % max(len(names), 1)
    return names[start:] + names[:start]


def _one_thread() -> None:
    """Items run side by side, each on one core: sharing cores between a trunk's threads is many times slower."""
    torch.set_num_threads(1)


def _pack(orders: Sequence[_Order[Any]], made: Sequence[Made]) -> bytes:
    held: list[tuple[str, int, Mapping[str, Any]]] = []
    stacks: dict[str, list[Tensor]] = {}
    row = 0
    for order, result in zip(orders, made, strict=True):
        if not result.rows:
            continue
        held += [(key, row + n, facts) for n, (key, facts) in enumerate(zip(order.keys, result.facts, strict=True))]
        row += len(order.keys)
        for name, rows in result.rows.items():
            stacks.setdefault(name, []).append(rows)
    tensors = {name: torch.cat(rows).contiguous() for name, rows in stacks.items()}
    return save(tensors, {"keys": json.dumps(held)})
