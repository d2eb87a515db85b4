"""How long runs take, by the stored runs that are like them: an epoch of a run takes as long as one of theirs took.

Like it is a run on the same data set with the same model, trunk, frames and batches, of the same method where there is
one, else of any that trains on the same material. Nothing is guessed from others: a trainable trunk takes a hundred
times as long as a frozen one. The machine is not looked at: a plan is often made on another than the one that trains.
"""

from __future__ import annotations

import functools
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from harness import plugins
from harness.errors import BadInput
from harness.grid import grammar
from harness.grid.grammar import Method
from harness.store.index import Entry, unpacked

_ALIKE = {  # the settings that decide how long an epoch takes, and how many clips it has
    "data": ("miniature",),
    "train": ("batch_size", "accumulation", "limit"),
    "model": ("name", "trunk", "layers", "mlp"),
    "clips": ("frames",),
}
Like = tuple[Any, ...]


def material(trunk: str, method: Method) -> str:
    """What a method trains on: features of a frozen trunk, or frames where something must see pixels."""
    pixels = any(plugins.get("methods", name)(settings).needs_pixels for name, settings in method.components)
    return "features" if trunk == "frozen" and not pixels else "frames"


class Pace:
    """How long the stored runs took."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._epochs: dict[tuple[str, Like], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        setting = functools.cache(lambda setup: _setting(unpacked(setup)))
        for entry in entries:
            like, epochs = setting(entry.setup)
            if entry.done and entry.seconds is not None and epochs:
                self._epochs[entry.dataset, like][entry.method].append(entry.seconds / epochs)
        self._typical = functools.cache(self._of)

    def seconds(self, dataset: str, spec: Mapping[str, Any]) -> float | None:
        """Of a whole run; None where no run like it is done."""
        like, epochs = _setting(spec)
        epoch = self._typical(dataset, like, spec["model"]["trunk"], spec["method"])
        return None if epoch is None else round(epoch * epochs, 1)

    def _of(self, dataset: str, like: Like, trunk: str, method: str) -> float | None:
        by_method = self._epochs.get((dataset, like), {})
        found = by_method.get(method)
        if not found:
            on = _material(trunk, method)
            found = [x for other, taken in by_method.items() if _material(trunk, other) == on for x in taken]
        return statistics.median(found) if found else None


def _setting(spec: Mapping[str, Any]) -> tuple[Like, int]:
    """What makes runs alike, and the number of epochs."""
    like = tuple(spec.get(group, {}).get(key) for group, keys in _ALIKE.items() for key in keys)
    return like, spec.get("train", {}).get("epochs", 0)


def _material(trunk: str, method: str) -> str:
    """Empty for a stored method whose plugins are not there, or have other settings by now."""
    try:
        return material(trunk, grammar.resolve(method))
    except BadInput:
        return ""
