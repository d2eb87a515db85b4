"""How long commands take that should answer at once, against Python itself and against `import torch`.

    python benchmarks/startup.py [--repeats 7] [--json]

Every command runs in a process of its own, on a small store that is made for it; the first, cold round is not counted.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
HARNESS = [sys.executable, "-m", "harness"]
SELECT = ["--datasets", "raer", "--methods", "prompt,prompt+ldl", "--seeds", "0,1", "--tiny"]


def commands(place: Path) -> dict[str, list[str]]:
    runs = ["--runs", str(place / "runs")]
    return {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import torch": [sys.executable, "-c", "import torch"],
        "--help": [*HARNESS, "--help"],
        "report": [*HARNESS, "report", *runs, "--out", str(place / "out")],
        "show": [*HARNESS, "show", "prompt-s0", *runs],
        "compare": [*HARNESS, "compare", "prompt-s0", "prompt-s1", *runs],
        "cache list": [*HARNESS, "cache", "list"],
        "list methods": [*HARNESS, "list", "methods"],
        "list datasets": [*HARNESS, "list", "datasets"],
        "plan": [*HARNESS, "plan", *SELECT, *runs],
    }


def call(words: list[str], place: Path) -> float:
    began = time.perf_counter()
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True, env=os.environ | {"HARNESS_CACHE": str(place)})
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        train = [*HARNESS, "run", *SELECT, "--runs", str(place / "runs"), "--out", str(place / "out")]
        call(
            [word for word in train if word != "--tiny"] + ["--set", "train.epochs=1", "--set", "train.limit=4"], place
        )
        found: dict[str, list[float]] = {name: [] for name in commands(place)}
        for counts in [False] + [True] * arguments.repeats:  # in turns, so that a busy moment befalls all
            for name, words in commands(place).items():
                seconds = call(words, place)
                found[name] += [seconds] if counts else []
    rows = [
        {"command": name, "min": min(times), "median": statistics.median(times), "max": max(times)}
        for name, times in found.items()
    ]
    if arguments.json:
        print(json.dumps({"load": os.getloadavg()[0], "seconds": rows}, indent=2))
        return
    print(f"{'seconds':<16}" + "".join(f"{of:>9}" for of in ("min", "median", "max")))
    for row in rows:
        print(f"{row['command']:<16}" + "".join(f"{row[of]:>9.3f}" for of in ("min", "median", "max")))


if __name__ == "__main__":
    main()
