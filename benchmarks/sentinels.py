"""What watching costs: whole runs with all sentinels against the same runs with none, alternating in one process.

    python benchmarks/sentinels.py [--json] [--repeats 5] [--epochs 4]

Runs are of random features through the real loop, at the embedded model's size and at ViT-B/32's (random weights).
Most sentinels look closely in the first two epochs only, so a short run shows more of them than a usual one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

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
from harness.model import trunk
from harness.model.network import VideoModel
from harness.protocol import Clips, Model, Train
from harness.training import loop
from harness.training.watch import Watch

CLASSES = ("happy", "sad", "angry")
SENTENCES = ("a happy face", "a sad face with tears", "an angry face with a deep frown")
METHOD = "prompt+ldl(temperature=0.02)+mixup+moco"


def embedded() -> trunk.Loaded:
    return trunk.load(Model())


def splits(width: int, clips: int) -> dict[str, Split]:
    rng = torch.Generator().manual_seed(0)

    def split(name: str, size: int) -> Split:
        rows = [Clip(f"{name}/{i}", "", i % 3, name) for i in range(size)]
        index = as_dataset(Scan(Path(), rows, [], {}, False, name), CLASSES)
        centre = torch.tensor([clip.label for clip in rows], dtype=torch.float32)[None, :, None, None]
        face, context = (in_memory(centre + torch.randn(1, size, 16, width, generator=rng)) for _ in range(2))
        return Split(index, Stored(rows, face, context, {}, []), torch.device("cpu"), Clips())

    return {"train": split("train", clips), "val": split("val", clips // 4), "test": split("test", clips // 4)}


def run(clip: trunk.Loaded, data: dict[str, Split], epochs: int, *, watched: bool) -> float:
    """Processor seconds of one run's training: on a shared machine they are steadier than the clock."""
    torch.manual_seed(0)
    learner = Learner(VideoModel(clip, Model(), SENTENCES, pixels=False), components_of(grammar.resolve(METHOD)))
    off = {name: plugins.get("sentinels", name).Settings(severity="off") for name in plugins.names("sentinels")}
    watch = make_watch(data, lambda alarm: None) if watched else Watch(off, print)
    accelerator = Accelerator(cpu=True)
    began = time.process_time()
    loop.train(learner, data, Train(epochs=epochs), "war", 0, accelerator, Silent(), [], watch)
    accelerator.free_memory()
    return time.process_time() - began


def measure(clip: trunk.Loaded, clips: int, epochs: int, repeats: int) -> dict[str, Any]:
    data = splits(clip.width, clips)
    steps = epochs * -(-clips // Train().batch_size)
    seconds: dict[bool, list[float]] = {False: [], True: []}
    run(clip, data, 1, watched=True)
    for _ in range(repeats):
        for watched, found in seconds.items():
            found.append(run(clip, data, epochs, watched=watched))
    ratios = [with_ / without for with_, without in zip(seconds[True], seconds[False], strict=True)]
    return {
        "steps": steps,
        "ms_per_step_unwatched": round(1000 * statistics.median(seconds[False]) / steps, 2),
        "ratio": spread(ratios, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=4)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = {
        "embedded": measure(embedded(), 288, arguments.epochs, arguments.repeats),
        "ViT-B/32": measure(vit_b_32(), 480, arguments.epochs, arguments.repeats),
    }
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    for name, row in found.items():
        ratio = row["ratio"]
        print(
            f"{name}: watched runs take {ratio['median']:.3f} × the time of unwatched ones (from {ratio['min']:.3f} to "
            f"{ratio['max']:.3f}; {row['steps']} steps of {row['ms_per_step_unwatched']} ms)"
        )


if __name__ == "__main__":
    main()
