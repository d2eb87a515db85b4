"""How long `harness data check` takes on a set of 70,000 images, and how its memory grows with the set.

    python benchmarks/audit.py [--clips 7000 70000] [--repeats 3] [--json]

Lays out a stub of CAER-S (tiny pictures, two-column lists, a box for every key), then times, each in a process of its
own: indexing (lists, boxes, media looked up), the first audit (every picture decoded), and the audit again (probes
kept). Processor time tells more on a busy machine. Peak memory is the process's own, with every library that it loads.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from repeats import apart, columns, show

CLASSES = ("Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
COLUMNS = ("seconds", "cpu_seconds", "peak_mib")
SHARES = {"train": 0.63, "validation": 0.07, "test": 0.3}


def lay_out(root: Path, clips: int) -> None:
    """Pictures, lists and boxes: as in the public copies, validation pictures lie in `train/`."""
    rng, boxes, number = np.random.default_rng(0), {}, 0
    for split, share in SHARES.items():
        lines = []
        for label in range(len(CLASSES)):
            folder = root / ("test" if split == "test" else "train") / CLASSES[label]
            folder.mkdir(parents=True, exist_ok=True)
            for _ in range(round(clips * share / len(CLASSES))):
                number += 1
                picture = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
                path = folder / f"{number:06d}.png"
                path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
                name = path.relative_to(root).as_posix()
                lines.append(f"{name} {label}")
                boxes[name] = [2, 2, 10, 10]
        (root / f"{split}.txt").write_text("\n".join(lines))
    (root / "faces.json").write_text(json.dumps(boxes))


def measure(root: Path, what: str) -> tuple[float, float, float]:
    """Seconds of one step, of its processor time, and this process's peak memory in MiB."""
    from harness import audit, grid, plugins
    from harness.data.scan import survey
    from harness.grid import grammar

    raw = {"datasets": ["caer-s"], "methods": [grammar.PLAIN], "data": {"caer-s": {"root": str(root)}}}
    made = grid.build("benchmark", raw)
    cls, settings = plugins.get("datasets", "caer-s"), made.data["caer-s"]
    began, worked = time.perf_counter(), time.process_time()
    if what == "index":
        survey(cls(settings, root))
    else:
        audit.audit(cls, settings, made.sections, lambda done, total: None).as_json()
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    return seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def step(root: Path, what: str, cache: Path) -> tuple[float, float, float]:
    os.environ["HARNESS_CACHE"] = str(cache)
    return apart(measure, root, what)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, nargs="+", default=[7000, 70000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    for clips in arguments.clips:
        with tempfile.TemporaryDirectory() as place:
            root = Path(place) / "CAER-S"
            lay_out(root, clips)
            for what in ("index", "audit", "audit again"):
                found = [
                    step(root, what, Path(place) / (f"cache-{i}" if what != "index" else "unused"))
                    for i in range(arguments.repeats)
                ]
                rows.append({"clips": clips, "step": what} | columns(found, COLUMNS))
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        show(rows, COLUMNS)


if __name__ == "__main__":
    main()
