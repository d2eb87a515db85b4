"""What runs train on: the splits of a copy, made once for all runs of a process, as the cache holds them.

Features where the trunk is frozen, crops where it must see pixels. Beside the splits stands what a result tells of
how they were read, and what the sentinels may know of them.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import datasets as hf
from accelerate import Accelerator

from harness.data import manifest
from harness.data.cache import Stored, Tower, Views, check_room, crops, features
from harness.data.clips import SPLITS, Clip, as_dataset
from harness.data.loading import Split
from harness.data.probe import Probe, probes, twins
from harness.data.shelf import Progress
from harness.data.video import Unreadable
from harness.errors import BadInput
from harness.model import architectures, trunk, weights
from harness.plan import Copy
from harness.protocol import Clips, Model
from harness.sentinels import Reading
from harness.training.environment import precision


class Material:
    """The copies of a grid as this process reads them.

    `counter` gives, for work of a kind on the clips of a copy and, mostly, a split, who is told how far it is.
    """

    def __init__(
        self,
        copies: Mapping[str, Copy],
        model: Model,
        clips: Clips,
        clip: Callable[[], trunk.Loaded],
        accelerator: Accelerator,
        counter: Callable[[str, str, str], Progress],
    ) -> None:
        self.copies, self.model, self.clips, self.accelerator, self.counter = copies, model, clips, accelerator, counter
        self._clip = clip  # loaded when first asked for: with all features cached nobody asks
        self._stored = functools.cache(self._store)  # mapped, not held
        self._index = functools.cache(self._as_dataset)
        self._probes = functools.cache(self._probe)
        self.manifest = functools.cache(self._hash)
        self.of = _OneAtATime(self._load)  # held on the device; runs come copy by copy

    def stored(self, copy: str, cached: bool) -> dict[str, Stored]:
        """Reads every clip of a copy into the cache before anybody trains: as features, or as crops.

        Raises `BadInput` naming the clip that can't be read, unless the settings say to skip it.
        """
        try:
            return self._stored(copy, cached)
        except Unreadable as error:
            mend = "replace the file, or leave such clips out, counted, with clips.unreadable=skip"
            raise BadInput("unreadable clip", str(error), mend) from error

    def _load(self, name: str, cached: bool) -> tuple[dict[str, Split], dict[str, Any], Reading]:
        """A copy's splits, what its result tells of how they were read, and what the sentinels may know of it."""
        copy, device = self.copies[name], self.accelerator.device
        splits: dict[str, Split] = {}
        boxes, lost = Counter[str](), []
        for split, found in self._stored(name, cached).items():
            splits[split] = Split(self._rows(name, found.clips), found, device, self.clips)
            boxes.update(found.boxes)
            lost += found.unreadable
        counts = {
            "boxes": dict(boxes),
            "unreadable": len(lost),
            "unreadable_clips": lost,
            "faces": copy.scan.faces,
            "notes": [dataclasses.asdict(note) for note in copy.scan.notes],
        }
        reading = Reading(
            dataset=copy.adapter.name,
            classes=tuple(copy.adapter.classes),
            descriptions=copy.adapter.descriptions(),
            scan=copy.scan,
            face=copy.face,
            labels={split: found.labels_on_cpu for split, found in splits.items()},
            boxes=boxes,
            unreadable=tuple(lost),
            twins=twins(copy.scan.clips, self._probes(name)),
            probes=self._probes(name),
            cropped=copy.adapter.stand_in == "full-frame",
        )
        return splits, counts, reading

    def _store(self, copy: str, cached: bool) -> dict[str, Stored]:
        """The rows of a copy's splits, made unless the cache has them: features, or crops for a trunk that trains."""
        scan, probes, views = self.copies[copy].scan, self._probes(copy), self._views(copy)
        tower = Tower(
            load=lambda: self._clip().trunk.to(self.accelerator.device),
            model=self.model.name,
            weights=weights.name_of(self.model),
            width=architectures.shape(self.model.name).width,
            precision=precision(self.accelerator),
            autocast=self.accelerator.autocast,
        )
        check_room(scan, views, tower if cached else None, probes)
        found = {}
        for split in SPLITS:
            progress = self.counter("features" if cached else "frames", copy, split)
            found[split] = (
                features(scan, split, views, tower, probes, progress)
                if cached
                else crops(scan, split, views, probes, progress)
            )
        return found

    def _probe(self, copy: str) -> dict[str, Probe]:
        """A closer look at each medium of a copy, from the cache where it has not changed."""
        scan = self.copies[copy].scan
        return probes(scan.root, scan.present, self.counter("clips", copy, ""))

    def _hash(self, copy: str) -> str:
        adapter, scan = self.copies[copy].adapter, self.copies[copy].scan
        return manifest.hash_of(adapter.name, adapter.classes, scan.present, self._probes(copy))

    def _as_dataset(self, copy: str) -> hf.Dataset:
        return as_dataset(self.copies[copy].scan, self.copies[copy].adapter.classes)

    def _rows(self, copy: str, clips: list[Clip]) -> hf.Dataset:
        """The index of these clips alone, in their order."""
        place = {name: position for position, name in enumerate(self._index(copy)["id"])}
        return self._index(copy).select([place[clip.id] for clip in clips])

    def _views(self, copy: str) -> Views:
        return Views(self.clips, self.copies[copy].face, architectures.shape(self.model.name).size)


class _OneAtATime:
    """What a function gave for its last arguments; it is dropped before the next is made, so never two are held."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make
        self.held: tuple[tuple[Any, ...], Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        if self.held is None or self.held[0] != arguments:
            self.held = None
            self.held = arguments, self.make(*arguments)
        return self.held[1]
