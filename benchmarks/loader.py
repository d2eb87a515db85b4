"""Whether batches ever keep training waiting: steps with batches from the cache against the same steps on one batch.

    python benchmarks/loader.py [--json] [--repeats 5] [--quick]

Three ways in which a split gives its batches: features held in memory, features mapped and read ahead, and crops
mapped, read ahead and augmented for a trunk that trains. The limit is the rate of the same step without any loading,
and the goal 95 % of it. Steps with loading and without alternate; processor time of all threads would hide waiting, so
this is wall time. Sizes: the embedded model, and ViT-B/32 with random weights.

Beside it, what the cache of crops saves a trunk that trains: clips a second from it, augmented, over clips a second
decoded and cropped on one thread, for the miniature of CAER at ViT-B/32's picture size.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from conftest import in_memory
from models import vit_b_32
from repeats import spread

from harness import miniature, plugins
from harness.data import cache, loading, probe, scan
from harness.data.cache import Stored
from harness.data.clips import Clip, Scan, as_dataset
from harness.data.loading import Split, as_picks
from harness.data.shelf import Item, Made, Shelf
from harness.grid import grammar
from harness.learner import Learner, components_of
from harness.methods import Batch, Context
from harness.model import trunk
from harness.model.network import VideoModel
from harness.protocol import Clips, Face, Model, Train

CLASSES = ("happy", "sad", "angry")
SENTENCES = ("a happy face", "a sad face with tears", "an angry face with a deep frown")
FRAMES, VIEWS = 8, 2


def split_of(rows: Callable[[], Tensor], clips: int, folder: Path | None) -> Split:
    """A split of made-up rows `[VIEWS, clips, …]`: in memory, or written to a shelf and mapped from it."""
    known = [Clip(f"train/{i}", "", i % 3, "train") for i in range(clips)]
    index = as_dataset(Scan(Path(), known, [], {}, False, "made up"), CLASSES)
    if folder is None:
        stored = Stored(known, in_memory(rows()), in_memory(rows()), {}, [])
        return Split(index, stored, torch.device("cpu"), Clips())
    shelf = Shelf(folder)
    items = [Item(i, tuple(f"{i}-{view}" for view in range(VIEWS))) for i in range(clips)]

    def make(item: int, places: Any) -> Made:
        return Made({name: rows()[:, 0] for name in ("face", "context")}, [{} for _ in places])

    shelf.fill(items, lambda: make, lambda done, total: None, 8)
    keys = [[item.keys[view] for item in items] for view in range(VIEWS)]
    stored = Stored(known, shelf.rows("face", keys), shelf.rows("context", keys), {}, [])
    room, loading._room = loading._room, lambda device: 0
    try:
        return Split(index, stored, torch.device("cpu"), Clips())
    finally:
        loading._room = room


class Bench:
    """A learner's training step on batches of a split, with loading and without."""

    def __init__(self, clip: trunk.Loaded, split: Split, size: int) -> None:
        settings = Model(trunk="trainable" if split.level == "pixels" else "frozen")
        torch.manual_seed(0)
        model = VideoModel(clip, settings, SENTENCES, pixels=split.level == "pixels")
        self.learner = Learner(model, components_of(grammar.resolve("prompt"))).train()
        self.optimizer = torch.optim.AdamW([p for p in self.learner.parameters() if p.requires_grad], fused=True)
        self.split, self.size = split, size
        self.ctx = Context(model=self.learner.model, counts=torch.ones(3))

    def batches(self, steps: int) -> Iterator[Batch]:
        order = torch.randint(len(self.split), (steps, self.size)).tolist()
        return self.split.batches([as_picks(positions, range(len(positions))) for positions in order])

    def seconds(self, batches: Iterator[Batch]) -> float:
        began = time.perf_counter()
        for batch in batches:
            self.learner(batch, self.ctx).total.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
        return time.perf_counter() - began

    def ratios(self, steps: int, repeats: int) -> list[float]:
        """Rate with loading over rate without, a pair of neighbours each."""
        one = next(self.batches(1))
        self.seconds(iter([one] * 2))
        return [self.seconds(iter([one] * steps)) / self.seconds(self.batches(steps)) for _ in range(repeats)]


def against_decoding(folder: Path, repeats: int) -> list[float]:
    """Seconds of decoding and cropping some clips over those of getting the same clips from the cache."""
    root = miniature.ensure(folder, limit=4) / "CAER"
    adapter = plugins.get("datasets", "caer")
    found = scan.scan(adapter(adapter.Settings(), root), Train(), Face(missing="center-crop"), Clips())
    views = cache.Views(Clips(frames=FRAMES, views=VIEWS), Face(missing="center-crop"), 224)
    os.environ["HARNESS_CACHE"] = str(folder / "cache")
    seen = probe.probes(found.root, found.present, lambda done, total: None)
    kept = cache.crops(found, "train", views, seen, lambda done, total: None)
    index = as_dataset(found, [str(label) for label in range(7)])
    index = index.select([position for position, split in enumerate(index["split"]) if split == "train"])
    split = Split(index, kept, torch.device("cpu"), views.clips)
    picks = [as_picks([at], [0]) for at in range(len(kept.clips))]
    ratios = []
    for _ in range(repeats):
        began = time.perf_counter()
        for clip in kept.clips:
            streams = cache.pictures(found.root, clip, views, [0])[0]
            cache.augmented(streams, clip, views, 0, torch.device("cpu"))
        middle = time.perf_counter()
        for _ in split.batches(picks):
            pass
        ratios.append((middle - began) / (time.perf_counter() - middle))
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="the embedded model only")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for name, load in (("embedded", lambda: trunk.load(Model())), ("ViT-B/32", vit_b_32)):
        if arguments.quick and name != "embedded":
            continue
        clip, small = load(), name == "embedded"
        with tempfile.TemporaryDirectory() as folder:
            features = lambda: torch.randn(VIEWS, 1, FRAMES, clip.width)  # noqa: E731, B023
            many = lambda: torch.randn(VIEWS, 256, FRAMES, clip.width)  # noqa: E731, B023
            crops = lambda: torch.randint(0, 256, (VIEWS, 1, FRAMES, clip.size, clip.size, 3), dtype=torch.uint8)  # noqa: E731, B023
            ways = {
                "features held": (split_of(many, 256, None), 32, 30 if small else 8),
                "features mapped": (split_of(features, 256, Path(folder, "features")), 32, 30 if small else 8),
                "crops mapped": (split_of(crops, 32, Path(folder, "crops")), 8, 8 if small else 1),
            }
            found[name] = {}
            for way, (split, size, steps) in ways.items():
                ratios = Bench(clip, split, size).ratios(steps, arguments.repeats)
                found[name][way] = spread(ratios)
    with tempfile.TemporaryDirectory() as folder:
        decoding = spread(against_decoding(Path(folder), arguments.repeats))
    if arguments.json:
        print(json.dumps({"rate": found, "crops_against_decoding": decoding}, indent=2))
        return
    for name, ways in found.items():
        for way, ratio in ways.items():
            print(f"{name:9} {way:16} {ratio['median']:.3f} ({ratio['min']:.3f} to {ratio['max']:.3f}) of the rate")
    print(
        f"crops from the cache: {decoding['median']:.1f} times as fast as decoding "
        f"({decoding['min']:.1f} to {decoding['max']:.1f})"
    )


if __name__ == "__main__":
    main()
