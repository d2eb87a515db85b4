"""How planning, resuming and reporting grow with the number of runs, in time and in memory.

    python benchmarks/growth.py [--runs 100 1000 10000 100000] [--repeats 3] [--clips 150] [--json]

The runs of a full design of two factors over many seeds on a miniature are planned and stored as if they had been
trained, with random scores and predictions. Then, each in a process of its own: `plan` (an empty store), `resume`
(what `harness run` does before it finds that all is done), `report` of all stored runs without an index, and `report
again`. Grids beyond 10,000 runs are only reported. Processor time tells more on a busy machine. Peak memory is the
process's own, with every library that it loads.
"""

import argparse
import json
import os
import random
import resource
import tempfile
import time
from pathlib import Path

from repeats import apart, columns, show

COLUMNS = ("seconds", "cpu_seconds", "peak_mib")
LARGEST_GRID = 10_000
CLASSES = ("Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
METHODS = 4


def design(runs: int):
    from harness import grid

    raw = {"baseline": "prompt", "factors": {"ldl": "ldl", "mixup": "mixup"}, "train": {"limit": 4}}
    return grid.build("growth", {"datasets": ["caer"], "seeds": list(range(runs // METHODS)), **raw})


def result_of(run, rng: random.Random) -> dict:
    """A result as large as a real one."""
    splits = ("val", "test")
    table = [[rng.randrange(20) for _ in CLASSES] for _ in CLASSES]
    faces = {split: {"found": 100, "missing": 1} for split in ("train", *splits)}
    note = {"kind": "first-label", "where": "CAER", "message": "labels start at 0: a label 0 occurs", "mend": ""}
    return {
        "run_id": run.run_id,
        "dataset": run.dataset,
        "fold": run.fold,
        "method": run.spec["method"],
        "seed": run.seed,
        "status": "done",
        "selection": "val",
        "epoch": 7,
        "primary": "war",
        "manifest": "0123456789abcdef",
        "classes": list(CLASSES),
        "metrics": {split: {name: rng.random() for name in ("war", "uar", "f1", "ece")} for split in splits},
        "per_class": {split: {name: rng.random() for name in CLASSES} for split in splits},
        "confusion": dict.fromkeys(splits, table),
        "counts": {"boxes": {"clip": 1000}, "faces": faces, "unreadable": 0, "unreadable_clips": [], "notes": [note]},
        "alarms": 0,
        "errors": 0,
        "duration_s": 3.0,
    }


def predictions_of(clips: int, rng: random.Random) -> bytes:
    """A file as large as a real one, of as many test clips; none is right more often than by chance."""
    import pyarrow
    from pyarrow import parquet

    rows = [[rng.random() for _ in CLASSES] for _ in range(clips)]
    shares = [[value / sum(row) for value in row] for row in rows]
    columns = {
        "clip_id": [f"test/{CLASSES[clip % len(CLASSES)]}/{clip:04}" for clip in range(clips)],
        "split": ["test"] * clips,
        "epoch": pyarrow.array([7] * clips, pyarrow.int32()),
        "label": pyarrow.array([clip % len(CLASSES) for clip in range(clips)], pyarrow.int32()),
        "prediction": pyarrow.array([row.index(max(row)) for row in rows], pyarrow.int32()),
        "probabilities": shares,
    }
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(columns), sink)
    return sink.getvalue().to_pybytes()


def lay_out(root: Path, runs: int, clips: int) -> None:
    """The design's runs as a store holds them; written without syncing each file, which would take an hour."""
    from harness import plan

    rng = random.Random(0)
    some = [predictions_of(clips, rng) for _ in range(50)] if clips else []
    for run in plan.plan(design(runs)).runs:
        folder = root / run.dataset / run.run_id
        folder.mkdir(parents=True)
        for name, value in (("spec.json", run.spec), ("result.json", result_of(run, rng))):
            (folder / name).write_text(json.dumps(value, indent=2, sort_keys=True))
        (folder / "alarms.jsonl").touch()
        if clips:
            (folder / "predictions.parquet").write_bytes(rng.choice(some))
    time.sleep(1.5)  # what has just changed would be read again


def measure(what: str, root: Path, runs: int) -> tuple[float, float, float]:
    """Seconds of one step, of its processor time, and this process's peak memory in MiB."""
    began, worked = time.perf_counter(), time.process_time()
    from harness.store import Store

    if what.startswith("report"):
        from harness.leaderboard import report

        report([Store(root)], None, root.parent / "out")
    else:
        from harness import plan

        made, store = plan.plan(design(runs)), Store(root)
        rows = plan.as_json(made, store, "harness run")["runs"]
        todo = made.todo(store)
        assert len(rows) == runs and len(todo) == (runs if what == "plan" else 0)
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    return seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def steps(runs: int, root: Path):
    if runs <= LARGEST_GRID:
        yield "plan", root.parent / "empty"
        yield "resume", root
    yield "report", root
    yield "report again", root


def rows_of(runs: int, repeats: int, clips: int) -> list[dict]:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "runs"
        apart(lay_out, root, runs, clips)
        rows = []
        for what, store in steps(runs, root):
            found = []
            for _ in range(repeats):
                if what == "report":
                    (root / "index.parquet").unlink(missing_ok=True)
                found.append(apart(measure, what, store, runs))
            rows.append({"runs": runs, "step": what} | columns(found, COLUMNS))
        return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[100, 1000, 10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clips", type=int, default=150, help="test clips that each run predicts; 0: none")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = [row for runs in arguments.runs for row in rows_of(runs, arguments.repeats, arguments.clips)]
    if arguments.json:
        print(json.dumps({"load": os.getloadavg()[0], "rows": rows}, indent=2))
    else:
        show(rows, COLUMNS)


if __name__ == "__main__":
    main()
