"""Whether the memory of `harness run` grows with the number of runs that it trains.

    python benchmarks/memory.py [--runs 6 60] [--repeats 3] [--json]

Trains tiny runs of one method (one worker, one epoch, a few clips a class) in a process of its own and takes its peak
memory, and the peaks of its children, which render the miniatures in the first round that is not counted.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TRAIN = """
import json, resource, sys
from harness.cli import main
code = main(sys.argv[1:])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"code": code, "peak_mib": peak}))
"""
SETTINGS = ("train.epochs=1", "train.limit=4", "train.batch_size=8", "clips.frames=4", "clips.views=1")


def train(runs: int, cache: Path) -> float:
    """Peak memory in MiB of one call that trains so many runs."""
    with tempfile.TemporaryDirectory() as place:
        seeds = ",".join(map(str, range(runs)))
        words = ["run", "--datasets", "caer", "--methods", "prompt+ldl", "--seeds", seeds, "--workers", "1"]
        words += [word for setting in SETTINGS for word in ("--set", setting)]
        words += ["--runs", f"{place}/runs", "--out", f"{place}/out"]
        environment = os.environ | {"HARNESS_CACHE": str(cache)}
        done = subprocess.run(
            [sys.executable, "-c", TRAIN, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["code"] == 0, done.stderr
    return told["peak_mib"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[6, 60])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        train(1, Path(cache))
        found = {runs: [train(runs, Path(cache)) for _ in range(arguments.repeats)] for runs in arguments.runs}
    rows = [
        {"runs": runs, "min": min(peaks), "median": statistics.median(peaks), "max": max(peaks)}
        for runs, peaks in found.items()
    ]
    if arguments.json:
        print(json.dumps({"peak_mib": rows}, indent=2))
        return
    print(f"{'runs':>6}  peak MiB: min  median     max")
    for row in rows:
        print(f"{row['runs']:>6}  {row['min']:>13,.1f} {row['median']:>7,.1f} {row['max']:>7,.1f}")


if __name__ == "__main__":
    main()
