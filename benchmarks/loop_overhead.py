"""What the product's training costs over a bare PyTorch loop on the same tensors.

    python benchmarks/loop_overhead.py [--json] [--repeats 5] [--epochs 20 6] [--quick] [--profile]

The limit is the bare loop: the same learner's forward, backward, clipping and optimiser step, the same hooks behind
it, validation and the best epoch's weights kept, and nothing else: no Accelerate, history, tally, metrics or
sentinels. The product is `training.train` as a run calls it, sentinels on. Both train whole runs in one process, on
one thread, in turn, from the same random numbers; `same` says that they end with the same probabilities. A run is
short here, and sentinels look closely in the first two epochs, so the ratio of a usual run is a little lower.

Goal: a median of at most 1.03 at ViT-B/32's size (random weights) and 1.15 on the embedded model. `--profile` tells
what the product's own time goes into, by function.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import io
import json
import math
import pstats
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from conftest import Silent, in_memory, make_watch
from models import vit_b_32
from repeats import spread

from harness import plugins
from harness.data.cache import Stored
from harness.data.clips import Clip, Scan, as_dataset
from harness.data.loading import Split
from harness.grid import grammar
from harness.learner import Learner, components_of
from harness.methods import Batch, Context
from harness.model import trunk
from harness.model.network import VideoModel
from harness.protocol import Clips, Model, Train
from harness.training import loop

CAER = plugins.get("datasets", "caer")
CLASSES = tuple(CAER.classes)
SENTENCES = CAER(CAER.Settings(), Path()).descriptions()
METHODS = ("lsr(epsilon=0.05)+prompt", "ldl(temperature=0.02)+mixup+moco+prompt+warmup")  # the grid's lightest, fullest
SIZES = {"train": 294, "val": 84, "test": 168}  # clips, as the miniature of CAER has them
GOALS = {"embedded": 1.15, "ViT-B/32": 1.03}
SEED = 0

Run = Callable[[], np.ndarray]


def data(width: int, frames: int, views: int = 4) -> dict[str, Split]:
    """Random features whose mean tells the class."""
    rng = torch.Generator().manual_seed(0)

    def split(name: str, size: int) -> Split:
        rows = [Clip(f"{name}/{i}", "", i % len(CLASSES), name) for i in range(size)]
        index = as_dataset(Scan(Path(), rows, [], {}, False, name), CLASSES)
        centre = 0.1 * torch.tensor([clip.label for clip in rows], dtype=torch.float32)[None, :, None, None]
        shape = (views if name == "train" else 1, size, frames, width)
        face, context = (in_memory(centre + torch.randn(shape, generator=rng)) for _ in range(2))
        return Split(index, Stored(rows, face, context, {}, []), torch.device("cpu"), Clips())

    return {name: split(name, size) for name, size in SIZES.items()}


def learner_of(clip: trunk.Loaded, method: str) -> Learner:
    torch.manual_seed(SEED)
    return Learner(VideoModel(clip, Model(), SENTENCES, pixels=False), components_of(grammar.resolve(method)))


# ── the two ways ────────────────────────────────────────────────────────────────────────────────────────────


def product(learner: Learner, splits: dict[str, Split], settings: Train) -> np.ndarray:
    """A run's training as the product does it; the probabilities of the test clips."""
    accelerator, watch = (
        Accelerator(cpu=True),
        make_watch(splits, lambda alarm: None, classes=CLASSES, descriptions=SENTENCES),
    )
    outcome = loop.train(learner, splits, settings, "war", SEED, accelerator, Silent(), [], watch)
    accelerator.free_memory()
    return outcome.probabilities["test"]


def bare(learner: Learner, splits: dict[str, Split], settings: Train) -> np.ndarray:
    """The same training as one would write it by hand."""
    split, val = splits["train"], splits["val"]
    optimizer = torch.optim.AdamW(learner.groups(settings), lr=settings.lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda epoch: 0.5 * (1 + math.cos(math.pi * epoch / settings.epochs))
    )
    ctx = Context(learner.model, SEED, counts=torch.bincount(split.labels, minlength=split.classes))
    best, kept = -1.0, {}
    for ctx.epoch in range(settings.epochs):
        rng = np.random.default_rng([SEED, ctx.epoch])
        order = torch.from_numpy(rng.permutation(len(split)))
        views = torch.from_numpy(rng.integers(2**31, size=len(split))) % len(split.face)
        torch.manual_seed(hash((SEED, ctx.epoch, 0)) % 2**31)
        learner.train()
        for ctx.step, at in enumerate(range(0, len(split), settings.batch_size)):
            rows, seen = order[at : at + settings.batch_size], views[at : at + settings.batch_size]
            learner(batch(split, seen, rows), ctx).total.backward()
            torch.nn.utils.clip_grad_norm_(learner.parameters(), settings.clip_norm)
            optimizer.step()
            optimizer.zero_grad()
            with torch.no_grad():
                for part in learner.parts:
                    part.after_step(ctx)
        schedule.step()
        accuracy = float((evaluated(learner, val).argmax(-1) == val.labels).float().mean())
        if accuracy > best:
            best, kept = (
                accuracy,
                {n: p.detach().clone() for n, p in learner.model.named_parameters() if p.requires_grad},
            )
    learner.model.load_state_dict(kept, strict=False)
    evaluated(learner, val)
    return evaluated(learner, splits["test"]).numpy()


@torch.inference_mode()
def evaluated(learner: Learner, split: Split) -> Tensor:
    learner.eval()
    every = torch.arange(len(split)).split(128)
    return torch.cat([learner.model(batch(split, torch.zeros_like(at), at)).logits.softmax(-1) for at in every])


def batch(split: Split, views: Tensor, rows: Tensor) -> Batch:
    label = split.labels[rows]
    face, context = split.face[views, rows], split.context[views, rows]
    return Batch(face, context, label, F.one_hot(label, split.classes).float())


# ── measuring ───────────────────────────────────────────────────────────────────────────────────────────────


def timed(run: Run) -> tuple[float, float, np.ndarray]:
    """Processor seconds (steadier on a busy machine), seconds of the clock, and what came out."""
    began, worked = time.perf_counter(), time.process_time()
    found = run()
    return time.process_time() - worked, time.perf_counter() - began, found


def compare(clip: trunk.Loaded, frames: int, method: str, epochs: int, repeats: int) -> dict[str, Any]:
    splits, settings = data(clip.width, frames), Train(epochs=epochs, batch_size=32)
    seconds: dict[str, list[tuple[float, float]]] = {"bare": [], "product": []}
    ways = {"bare": bare, "product": product}
    for way in ways.values():  # warm
        way(learner_of(clip, method), splits, Train(epochs=1, batch_size=32))
    ends = {}
    for _ in range(repeats):
        for name, way in ways.items():
            learner = learner_of(clip, method)
            cpu, wall, ends[name] = timed(lambda way=way, learner=learner: way(learner, splits, settings))
            seconds[name].append((cpu, wall))
    steps = epochs * -(-SIZES["train"] // settings.batch_size)
    pairs = list(zip(seconds["product"], seconds["bare"], strict=True))
    return {
        "ratio": spread([ours[0] / theirs[0] for ours, theirs in pairs]),
        "ratio_by_the_clock": spread([ours[1] / theirs[1] for ours, theirs in pairs]),
        "bare_ms_per_step": round(1000 * statistics.median(cpu for cpu, _ in seconds["bare"]) / steps, 2),
        "overhead_ms_per_epoch": round(1000 * statistics.median(a[0] - b[0] for a, b in pairs) / epochs, 1),
        "epochs": epochs,
        "same": bool(np.allclose(ends["bare"], ends["product"], atol=1e-4)),
    }


def profiled(clip: trunk.Loaded, frames: int, method: str, epochs: int) -> str:
    """The product's functions by the time spent in and below them."""
    splits, learner = data(clip.width, frames), learner_of(clip, method)
    with cProfile.Profile() as profile:
        product(learner, splits, Train(epochs=epochs, batch_size=32))
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        stats = pstats.Stats(profile, stream=text).strip_dirs()
        stats.sort_stats("cumulative").print_stats(60)
    return text.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--epochs", type=int, nargs=2, default=[20, 6], help="on the embedded model, at ViT-B/32's size"
    )
    parser.add_argument("--quick", action="store_true", help="two repeats of short runs, to try it")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    repeats, epochs = (2, [5, 2]) if arguments.quick else (arguments.repeats, arguments.epochs)
    models = {"embedded": (trunk.load(Model()), 8, epochs[0]), "ViT-B/32": (vit_b_32(), 16, epochs[1])}
    if arguments.profile:
        for name, (clip, frames, count) in models.items():
            print(name, profiled(clip, frames, METHODS[1], count), sep="\n")
        return
    found = {
        name: {"goal": GOALS[name]} | {m: compare(clip, frames, m, count, repeats) for m in METHODS}
        for name, (clip, frames, count) in models.items()
    }
    if arguments.json:
        print(json.dumps(found))
        return
    for name, rows in found.items():
        for method in METHODS:
            row = rows[method]
            low, middle, high = row["ratio"].values()
            print(
                f"{name}, {method}: {middle:.3f} × the bare loop (from {low:.3f} to {high:.3f}; goal {rows['goal']}); "
                f"{row['bare_ms_per_step']} ms a bare step, {row['overhead_ms_per_epoch']} ms more an epoch; "
                f"{'the same training' if row['same'] else 'NOT the same training'}"
            )


if __name__ == "__main__":
    main()
