"""How fast the feature cache is built, against what decoding and the trunk alone allow on the same cores.

    python benchmarks/cache_build.py [--json] [--repeats 5] [--model tiny|ViT-B-32] [--clips 294] [--quick]

The limit: decoding and cropping alone at the rate of the best of threads and processes on all cores, the trunk alone
at that of the best of several batch sizes, with a thread for each batch or all threads for one; both together on the
same cores take the sum of their times. The product is `cache.features` of CAER's training miniatures, each clip
decoded once for all its views, into an empty cache: it also augments, which the limit leaves out and a line of its own
tells, and it writes shards. Rates are in clips a second, each way in turn in one process; goal: 0.90 of the limit.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import multiprocessing
import os
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from models import vit_b_32
from repeats import spread

from harness import grid, plan, protocol
from harness.data import augment, cache, probe
from harness.data.clips import Clip, Scan
from harness.data.video import Streams, views_of
from harness.model import trunk
from harness.protocol import Model

GOAL = 0.90
CORES = len(os.sched_getaffinity(0))
GRID = Path(__file__).parents[1] / "grids" / "default.toml"
BATCHES = (1, 4, 16)  # views that the trunk sees at once

Way = Callable[[], Any]


def silent(done: int, total: int) -> None: ...


def opened(clips: int) -> tuple[plan.Copy, list[Clip]]:
    """Evenly spread training clips of the miniature of CAER."""
    copy = plan.plan(grid.load(str(GRID), [], tiny=False)).copies["caer"]
    train = [clip for clip in copy.scan.clips if clip.split == "train"]
    chosen = [train[i * len(train) // clips] for i in range(clips)] if clips < len(train) else train
    return copy, chosen


def decoded(root: Path, views: cache.Views, clip: Clip) -> list[Streams]:
    """All views of a clip, cropped, as the product draws them."""
    rngs = [np.random.default_rng([zlib.crc32(clip.id.encode()), n]) for n in range(views.clips.views)]
    return views_of(root, clip, views.clips, views.face, views.size, rngs)


def decoded_and_dropped(root: Path, views: cache.Views, clip: Clip) -> int:
    return len(decoded(root, views, clip))


def one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def seconds(way: Way) -> float:
    began = time.perf_counter()
    way()
    return time.perf_counter() - began


def in_threads(work: Callable[[Any], Any], items: Iterable[Any]) -> None:
    with ThreadPoolExecutor(CORES, initializer=one_thread) as pool:
        for _ in pool.map(work, items):
            pass


# ── the limits ──────────────────────────────────────────────────────────────────────────────────────────────


def decoders(root: Path, views: cache.Views, clips: list[Clip], processes: ProcessPoolExecutor) -> dict[str, Way]:
    work = functools.partial(decoded_and_dropped, root, views)
    list(processes.map(work, clips[: 2 * CORES]))  # their imports
    return {
        "threads": lambda: in_threads(work, clips),
        "processes": lambda: list(processes.map(work, clips, chunksize=4)),
    }


def encoders(tower: trunk.Trunk, views: list[torch.Tensor]) -> dict[str, Way]:
    """The trunk on the pixels of all views, `[2, T, S, S, 3]` each."""

    @torch.inference_mode()
    def encode(batch: list[torch.Tensor]) -> None:
        tower(torch.stack(batch))

    def all_threads(size: int) -> None:
        torch.set_num_threads(CORES)
        for at in range(0, len(views), size):
            encode(views[at : at + size])
        torch.set_num_threads(1)

    def a_thread_each(size: int) -> None:
        in_threads(encode, [views[at : at + size] for at in range(0, len(views), size)])

    each = {f"a thread each, {size} views": functools.partial(a_thread_each, size) for size in BATCHES}
    return {**each, f"all threads, {BATCHES[-1]} views": functools.partial(all_threads, BATCHES[-1])}


def augmenter(pixels: list[torch.Tensor], clips: list[Clip], views: cache.Views) -> Way:
    changes = [augment.drawn(clip.id, n, views.clips) for clip in clips for n in range(views.clips.views)]

    def change(pair: tuple[torch.Tensor, Any]) -> None:
        augment.changed(*pair)

    return lambda: in_threads(change, zip(pixels, changes, strict=True))


# ── the product ─────────────────────────────────────────────────────────────────────────────────────────────


def builder(scan: Scan, views: cache.Views, clip: trunk.Loaded, probes: Mapping[str, probe.Probe]) -> Way:
    """Fills an empty cache with the scan's training clips."""
    tower = cache.Tower(load=lambda: clip.trunk, model="benchmark", weights="random", width=clip.width)

    def build() -> None:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["HARNESS_CACHE"] = folder
            cache.features(scan, "train", views, tower, probes, silent)

    return build


# ── measuring ───────────────────────────────────────────────────────────────────────────────────────────────


def measure(model: str, count: int, repeats: int) -> dict[str, Any]:
    copy, clips = opened(count)
    clip = trunk.load(Model()) if model == "tiny" else vit_b_32()
    views = cache.Views(protocol.Clips(frames=8), copy.face, clip.size)
    scan = dataclasses.replace(copy.scan, clips=clips)
    with ThreadPoolExecutor(CORES, initializer=one_thread) as pool:
        found = pool.map(functools.partial(decoded, scan.root, views), clips)
        pixels = [torch.from_numpy(np.stack([s.face, s.context])) for streams in found for s in streams]
    with ProcessPoolExecutor(CORES, multiprocessing.get_context("spawn"), initializer=one_thread) as processes:
        ways = {f"decode: {name}": way for name, way in decoders(scan.root, views, clips, processes).items()}
        ways |= {f"trunk: {name}": way for name, way in encoders(clip.trunk, pixels).items()}
        ways["augment"] = augmenter(pixels, clips, views)
        ways["product"] = builder(scan, views, clip, probe.probes(scan.root, clips, silent))
        rounds = [{name: seconds(way) for name, way in ways.items()} for _ in range(repeats + 1)][
            1:
        ]  # the first warms up
    decode, encode = ([best(each, kind) for each in rounds] for kind in ("decode", "trunk"))
    ours = [each["product"] for each in rounds]
    needed = [a + b for a, b in zip(decode, encode, strict=True)]
    with_augmentation = [a + each["augment"] for a, each in zip(needed, rounds, strict=True)]
    return {
        "ratio": spread([limit / own for limit, own in zip(needed, ours, strict=True)]),
        "goal": GOAL,
        "ratio_if_augmenting_were_in_the_limit": spread([a / b for a, b in zip(with_augmentation, ours, strict=True)]),
        "model": model,
        "cores": CORES,
        "clips": len(clips),
        "views": views.clips.views,
        "clips_per_second": {
            "product": spread([len(clips) / each for each in ours]),
            "limit": spread([len(clips) / each for each in needed]),
            "decode_alone": spread([len(clips) / each for each in decode]),
            "trunk_alone": spread([len(clips) / each for each in encode]),
        },
        "median_seconds": {name: round(statistics.median(each[name] for each in rounds), 2) for name in rounds[0]},
    }


def best(found: dict[str, float], kind: str) -> float:
    return min(value for name, value in found.items() if name.startswith(kind))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--model", choices=("tiny", "ViT-B-32"), default="tiny")
    parser.add_argument("--clips", type=int, default=294)
    parser.add_argument("--quick", action="store_true", help="one repeat on few clips, to try it")
    arguments = parser.parse_args()
    one_thread()
    count, repeats = (min(arguments.clips, 64), 1) if arguments.quick else (arguments.clips, arguments.repeats)
    found = measure(arguments.model, count, repeats)
    if arguments.json:
        print(json.dumps(found))
        return
    low, middle, high = found["ratio"].values()
    print(
        f"{found['model']}: the cache is built at {middle:.2f} of the limit (from {low:.2f} to {high:.2f}; goal {GOAL})"
    )
    for name, row in found["clips_per_second"].items():
        print(f"  {name:<14}" + "".join(f"{word} {value:>8.1f}  " for word, value in row.items()) + "clips/s")
    for name, value in found["median_seconds"].items():
        print(f"  {name:<32}{value:>8.2f} s")


if __name__ == "__main__":
    main()
