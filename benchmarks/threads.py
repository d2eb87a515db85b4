"""What a second thread does to a head on cached features when another process wants the core.

    python benchmarks/threads.py [--json]

Times optimiser steps of the embedded model's head with one thread and with two, alternating in one process, first on
the machine as it is and then beside one busy process per core. Prints the ratios two : one.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import time

import torch

from harness.grid import grammar
from harness.learner import Learner, components_of
from harness.methods import Batch, Context
from harness.model import trunk
from harness.model.network import VideoModel
from harness.protocol import Model, Train

TEXTS = tuple(f"a face that shows emotion number {i}" for i in range(7))


def spin() -> None:
    while True:
        pass


def steps_per_thread(count: int, rounds: int) -> dict[int, list[float]]:
    """Seconds of a step, by number of threads."""
    settings = Model()
    learner = Learner(
        VideoModel(trunk.load(settings), settings, TEXTS, pixels=False),
        components_of(grammar.resolve("prompt+ldl+moco+mixup")),
    )
    optimizer = torch.optim.AdamW(learner.groups(Train()))
    label = torch.arange(32) % 7
    batch = Batch(torch.randn(32, 8, 64), torch.randn(32, 8, 64), label, torch.eye(7)[label])
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for threads in found:
            torch.set_num_threads(threads)
            began = time.perf_counter()
            for _ in range(count):
                ctx = Context(learner.model)
                learner(batch, ctx).total.backward()
                optimizer.step()
                optimizer.zero_grad()
                with torch.no_grad():
                    for part in learner.parts:
                        part.after_step(ctx)
            found[threads].append((time.perf_counter() - began) / count)
    return found


def ratio(found: dict[int, list[float]]) -> float:
    return round(statistics.median(found[2]) / statistics.median(found[1]), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    steps_per_thread(3, 1)  # warm
    idle = ratio(steps_per_thread(10, 3))
    busy = [multiprocessing.Process(target=spin, daemon=True) for _ in range(len(os.sched_getaffinity(0)))]
    for process in busy:
        process.start()
    loaded = ratio(steps_per_thread(5, 3))
    for process in busy:
        process.terminate()
    result = {"two_threads_over_one": {"idle": idle, "beside_busy_processes": loaded}}
    print(json.dumps(result) if arguments.json else f"two threads : one, idle {idle}, beside busy processes {loaded}")


if __name__ == "__main__":
    main()
