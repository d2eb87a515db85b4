"""What a second process brings: `pair` placement (each trains its own runs) and `data` placement (both train each run).

    python benchmarks/placement.py [--repeats N] [--runs N] [--epochs N] [--json]

Trains the same small runs (embedded model, frozen trunk, one miniature) with one process, with two in `pair` and with
two in `data` placement, in turn, and prints how many times as many runs a second two processes train: min, median and
max of the ratios within a round. Limits: `pair` at least 1.8 where two cores are free; `data` is for trunks that train
and is shown for comparison.

Training is the time from the first run's `spec.json` to the last one's `result.json`, as the store has it. What is
before (imports, opening the data, building each method once) is start-up: it does not grow with the grid, and is part
of the end-to-end ratio only. The features are in the cache before anything is timed; what that took is told.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from repeats import spread

TWO = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
WAYS = {
    "one": ["-m", "harness", "run", "--workers", "1"],
    "pair": [*TWO, "-m", "harness", "run", "--workers", "1", "--placement", "pair"],
    "data": [*TWO, "-m", "harness", "run", "--placement", "data"],
}


class Timing(NamedTuple):
    """Seconds: of the whole command, from the first run's start to the last one's end, and of all runs, summed."""

    total: float
    training: float
    runs: float


def train(way: str, runs: int, epochs: int) -> Timing:
    """Trains `runs` runs in an empty store."""
    words = ["--datasets", "raer", "--methods", "prompt+ldl", "--seeds", ",".join(map(str, range(runs)))]
    words += ["--set", f"train.epochs={epochs}", "--set", "train.batch_size=32", "--set", "clips.frames=8"]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, *WAYS[way], *words, "--runs", f"{folder}/runs", "--out", f"{folder}/out"]
        began = time.monotonic()
        told = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        total = time.monotonic() - began
        done = [json.loads(path.read_text()) for path in Path(folder).glob("runs/raer/*/result.json")]
        if [result["status"] for result in done] != ["done"] * runs:
            raise SystemExit(f"{way}: not all runs were done\n{told.stderr}")
        starts = [path.stat().st_mtime for path in Path(folder).glob("runs/raer/*/spec.json")]
        ends = [path.stat().st_mtime for path in Path(folder).glob("runs/raer/*/result.json")]
    return Timing(total, max(ends) - min(starts), sum(result["duration_s"] for result in done))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--runs", type=int, default=8, help="runs to train each time (default 8)")
    parser.add_argument("--epochs", type=int, default=20, help="of each run (default 20)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    began = time.monotonic()
    train("one", 1, 1)  # renders the miniature and fills the feature cache
    preparation, load = time.monotonic() - began, os.getloadavg()[0]
    rounds = [
        {way: train(way, arguments.runs, arguments.epochs) for way in WAYS} for _ in range(max(arguments.repeats, 1))
    ]
    result = {
        **{way: spread([r["one"].training / r[way].training for r in rounds]) for way in ("pair", "data")},
        "end_to_end": {way: spread([r["one"].total / r[way].total for r in rounds]) for way in ("pair", "data")},
        "seconds": {
            way: {
                "start_up": spread([r[way].total - r[way].training for r in rounds]),
                "training": spread([r[way].training for r in rounds]),
                "runs": spread([r[way].runs for r in rounds]),
            }
            for way in WAYS
        },
        "preparation_s": round(preparation, 1),
        "load_before": round(load, 2),
        "cores": len(os.sched_getaffinity(0)),
    }
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{arguments.runs} runs of {arguments.epochs} epochs; {result['cores']} cores, load before {load:.2f}")
    for way in ("pair", "data"):
        ratio, whole = result[way], result["end_to_end"][way]
        print(f"{way}, two processes : one, training   {ratio['min']} … {ratio['median']} … {ratio['max']}")
        print(f"{way}, two processes : one, end to end {whole['min']} … {whole['median']} … {whole['max']}")
    for way, seconds in result["seconds"].items():
        medians = ", ".join(f"{name} {value['median']} s" for name, value in seconds.items())
        print(f"{way}: {medians}")
    print(f"preparation, before: {preparation:.1f} s")


if __name__ == "__main__":
    main()
