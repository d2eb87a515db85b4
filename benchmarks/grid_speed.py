"""How long the default grid takes the usual way against the product, decoding included and nothing cached.

    python benchmarks/grid_speed.py [--json] [--repeats 3] [--quick] [--datasets caer]
    python benchmarks/grid_speed.py --model ViT-B-32 [--json]

The usual way is `usual.py`: a process for each run, every frame to PIL, both streams through the trunk in every epoch,
77 text positions in every step. It gets the machine as it likes it best: one process with all cores, one with loader
processes, or a run on each core, whichever is fastest. A whole grid of it takes hours, so it is measured in part and
extrapolated: on each data set, with and without `moco` (nothing else changes its time), its start, its seconds for an
epoch's training and validation clips, and its test; the grid is what 20 epochs of its 108 runs cost.

The product is `harness run --grid`, from an empty store and an empty feature cache to its leaderboard; the miniatures
are rendered beforehand for both. On the embedded model that is measured whole. At ViT-B/32's size, with random
weights, it is measured in part as well: what fills the cache, by views of clips, and its runs' epochs, on up to 8
clips a class. Where steps and clips scale by different factors the usual way gets the lower and the product the higher.

Each round gives two ratios: by the clock, and of processor seconds, which tell more where other processes run. Floor of
the first: 20 on the embedded model, 50 at ViT-B/32's size; aim: 40 and 80. `pieces.py` tells what the product's time is
made of; `cache_build.py` and `loop_overhead.py` hold the pieces against their limits.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repeats import apart, spread

from harness.variables import cache_folder

HERE = Path(__file__).parent
MINIATURES = cache_folder() / "miniatures"
GRID = HERE.parent / "grids" / "default.toml"
FLOORS = {"tiny": 20, "ViT-B-32": 50}
CLIPS = {"train": 32, "val": 32, "test": 32}  # of a data set, where the usual way sees a part: a full batch of each
LIMIT = 8  # clips a class and split, where the product sees a part
CLOSE = 2  # epochs in which sentinels look more closely than later
EPOCHS = CLOSE + 2
LIGHT, FULL = "lsr(epsilon=0.05)+prompt", "ldl(temperature=0.02)+mixup+moco+prompt+warmup"
CORES = len(os.sched_getaffinity(0))

Row = dict[str, Any]


@dataclass
class Work:
    """Where everything of this benchmark lies, and which model it is about."""

    place: Path
    model: str
    datasets: list[str]  # empty: all of the grid's
    quick: bool
    part: bool  # measured on some of the clips

    @property
    def weights(self) -> Path:
        return self.place / "random.safetensors"

    @property
    def settings(self) -> list[str]:
        """What `--set` says of the model."""
        if self.model == "tiny":
            return []
        return [f"model.name={self.model}", f"model.pretrained={self.weights}"]

    def environment(self, cache: str) -> dict[str, str]:
        """That of the product, with a cache of this name which holds the miniatures from the start."""
        folder = self.place / cache
        folder.mkdir(exist_ok=True)
        if not (folder / "miniatures").exists():
            (folder / "miniatures").symlink_to(MINIATURES)
        return {**os.environ, "HARNESS_CACHE": str(folder), "OMP_NUM_THREADS": "1"}


def prepare(work: Work) -> dict[str, Any]:
    """Renders the miniatures, writes the usual way's indices and the random weights; the grid's plan in plain facts."""
    from harness import grid, plan

    if work.model != "tiny":
        save_random(work)
    made = grid.load(str(GRID), work.settings, tiny=False).select(work.datasets, [], [])
    planned = plan.plan(made)
    limit = [f"train.limit={LIMIT}"] if work.part else []
    limited = plan.plan(grid.load(str(GRID), [*work.settings, *limit], tiny=False)) if limit else planned
    copies = {}
    for name in work.datasets or planned.copies:
        copy = planned.copies[name]
        clips = by_split(copy.scan.clips)
        used = {split: some(rows, CLIPS[split]) if work.part else rows for split, rows in clips.items()}
        index = {
            "root": str(copy.scan.root),
            "descriptions": copy.adapter.descriptions(),
            "clips": [
                {"path": clip.media, "label": clip.label, "split": clip.split, "face": clip.face and dict(clip.face)}
                for rows in used.values()
                for clip in rows
            ],
        }
        (work.place / f"{name}.json").write_text(json.dumps(index))
        sizes = {"all": clips, "usual": used, "product": by_split(limited.copies[name].scan.clips)}
        copies[name] = {which: {split: len(rows) for split, rows in each.items()} for which, each in sizes.items()}
    return {
        "copies": copies,
        "runs": Counter((run.copy, "moco" in run.method.names) for run in planned.runs if run.wanted),
        "epochs": made.sections["train"].epochs,
        "batch": made.sections["train"].batch_size,
        "views": made.sections["clips"].views,
    }


def save_random(work: Work) -> None:
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model(work.model, load_weights=False)
    save_file({name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()}, work.weights)


def by_split(clips: list[Any]) -> dict[str, list[Any]]:
    return {split: [clip for clip in clips if clip.split == split] for split in CLIPS}


def some(rows: list[Any], count: int) -> list[Any]:
    """Evenly spread ones, so that all classes and lengths are among them."""
    return [rows[i * len(rows) // count] for i in range(count)] if len(rows) > count else rows


# ── the usual way ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Placement:
    """How the usual way uses the machine."""

    name: str
    processes: int
    threads: int
    workers: int


PLACEMENTS = (
    Placement(f"a run on each of {CORES} cores", CORES, 1, 0),
    Placement(f"one run with {CORES} threads", 1, CORES, 0),
    Placement(f"one run with {CORES} loader processes", 1, 1, CORES),
)


def usual(work: Work, dataset: str, moco: bool, placement: Placement, epochs: int) -> list[Row]:
    """Seconds of the parts of a run, by the clock and of processors: the mean of those side by side."""
    model = ["--model", work.model, "--pretrained", str(work.weights)]
    if work.model == "tiny":
        model = ["--model", f"local-dir:{HERE.parent / 'harness' / 'assets' / 'tiny'}"]
    method = ["--ldl", "0.02", "--warmup", "5", "--mixup", "0.2", "--moco", "4096"] if moco else ["--lsr", "0.05"]
    words = ["--index", str(work.place / f"{dataset}.json"), *model, *method, "--epochs", str(epochs)]
    words += ["--threads", str(placement.threads), "--workers", str(placement.workers)]
    with ThreadPoolExecutor(placement.processes) as pool:
        found = list(pool.map(lambda number: usual_run(work, words, number), range(placement.processes)))
    return [{part: statistics.mean(row[part] for row in rows) for part in rows[0]} for rows in zip(*found, strict=True)]


def usual_run(work: Work, words: list[str], number: int) -> list[Row]:
    """One process of it."""
    times, log = work.place / f"times-{number}.json", work.place / f"usual-{number}.log"
    command = [sys.executable, str(HERE / "usual.py"), *words, "--seed", str(number), "--times", str(times)]
    began = time.perf_counter()
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(log.read_text())
    wholes, parts = (time.perf_counter() - began, usage.ru_utime + usage.ru_stime), json.loads(times.read_text())
    rows = []
    for clock, whole in enumerate(wholes):
        row = {part: statistics.median(seconds[clock]) for part, seconds in parts.items()}
        rows.append({"start": whole - sum(sum(seconds[clock]) for seconds in parts.values()), **row})
    return rows


def best_placement(work: Work, dataset: str) -> tuple[Placement, Row]:
    """The placement with the most epochs a second, and how long each needs for one."""
    tried = {}
    for placement in PLACEMENTS:
        row = usual(work, dataset, False, placement, 1)[0]
        tried[placement] = (row["train"] + row["val"]) / placement.processes
    return min(tried, key=lambda each: tried[each]), {each.name: round(value, 2) for each, value in tried.items()}


def usual_grid(work: Work, facts: Row, placement: Placement) -> Row:
    """One round: every data set with and without moco, and the grid that these make."""
    parts, grid = {}, [0.0, 0.0]
    for (dataset, moco), runs in facts["runs"].items():
        rows = usual(work, dataset, moco, placement, 1 if work.quick or work.part else 2)
        scales = {split: min(scales_of(facts, dataset, split, "usual")) for split in CLIPS}
        for clock, row in enumerate(rows):
            epoch = scales["train"] * row["train"] + scales["val"] * row["val"]
            row["run"] = row["start"] + facts["epochs"] * epoch + scales["test"] * row["test"]
            grid[clock] += runs * row["run"]
        parts[f"{dataset}{' with moco' if moco else ''}"] = {name: round(value, 2) for name, value in rows[0].items()}
    return {"grid_s": round(grid[0] / placement.processes, 1), "processor_s": round(grid[1], 1), "parts_s": parts}


def scales_of(facts: Row, dataset: str, split: str, side: str) -> tuple[float, float]:
    """By how much a data set is more than what a side saw of it: in clips, and in batches."""
    sizes, batch = facts["copies"][dataset], facts["batch"]
    every, seen = sizes["all"][split], sizes[side][split]
    return every / seen, math.ceil(every / batch) / math.ceil(seen / batch)


# ── the product ─────────────────────────────────────────────────────────────────────────────────────────────


def harness(work: Work, cache: str, runs: str, *words: str) -> tuple[float, float]:
    """Seconds of one command, from its start to its leaderboard: by the clock, and of processors."""
    command = [sys.executable, "-m", "harness", "run", "--grid", str(GRID)]
    command += ["--runs", str(work.place / runs), "--out", str(work.place / f"{runs}-leaderboard"), *words]
    command += [word for setting in work.settings for word in ("--set", setting)]
    command += ["--datasets", ",".join(work.datasets)] if work.datasets else []
    began, worked = time.perf_counter(), processors()
    done = subprocess.run(command, env=work.environment(cache), cwd=HERE.parent, capture_output=True, text=True)
    seconds = time.perf_counter() - began, processors() - worked
    if done.returncode not in (0, 1) or " 0 failed" not in done.stdout:  # 1: all trained, and a sentinel had a finding
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return seconds


def product_grid(work: Work, facts: Row, number: int) -> Row:
    """One round of the product: the whole grid, or what a part of it says of the whole."""
    if work.part:
        return product_in_part(work, facts, number)
    words = ["--seeds", "0"] if work.quick else []
    seconds, worked = harness(work, f"cache-{number}", f"runs-{number}", *words)
    durations = [result["duration_s"] for _, result in _results(work.place / f"runs-{number}")]
    found = {"measured_s": round(seconds, 1), "runs": len(durations), "in_runs_s": round(sum(durations) / CORES, 1)}
    more = (sum(facts["runs"].values()) - len(durations)) * statistics.mean(durations) / CORES
    processor = worked * (seconds + more) / seconds
    return {"grid_s": round(seconds + more, 1), "processor_s": round(processor, 1), **found}


def product_in_part(work: Work, facts: Row, number: int) -> Row:
    """Twice the same few runs, first from an empty cache: the difference is what fills it."""
    words = ["--methods", f"{LIGHT},{FULL}", "--seeds", "0"]
    words += ["--set", f"train.limit={LIMIT}", "--set", f"train.epochs={EPOCHS}"]
    timed = [harness(work, f"cache-{number}", f"{name}-{number}", *words) for name in ("cold", "warm")]
    (cold, worked), (warm, worked_more) = timed
    results = list(_results(work.place / f"warm-{number}"))
    start = max(warm - sum(result["duration_s"] for _, result in results) / CORES, 0.0)
    copies, in_runs, rows = facts["copies"].values(), 0.0, {}
    for folder, result in results:
        name, moco = result["dataset"], "moco" in result["method"]
        history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
        epochs = [row["duration_s"] for row in history]
        most = max(value for split in CLIPS for value in scales_of(facts, name, split, "product"))
        rest = (facts["epochs"] - CLOSE) * statistics.mean(epochs[CLOSE:])
        around = result["duration_s"] - sum(epochs)
        seconds = most * (around + sum(epochs[:CLOSE]) + rest)
        in_runs += facts["runs"][name, moco] * seconds / CORES
        rows[f"{name}{' with moco' if moco else ''}"] = {
            "epoch": round(statistics.mean(epochs[CLOSE:]), 2),
            "scaled_by": round(most, 2),
            "run": round(seconds, 1),
        }
    views = {
        which: sum(facts["views"] * each[which]["train"] + each[which]["val"] + each[which]["test"] for each in copies)
        for which in ("all", "product")
    }
    filling = (cold - warm) * views["all"] / views["product"]
    grid = start + filling + in_runs
    return {
        "grid_s": round(grid, 1),
        "processor_s": round(grid * (worked + worked_more) / (cold + warm), 1),
        "start_s": round(start, 1),
        "fills_cache_s": round(filling, 1),
        "in_runs_s": round(in_runs, 1),
        "measured_s": [round(cold, 1), round(warm, 1)],
        "parts_s": rows,
    }


def processors() -> float:
    """Processor seconds of all processes that were started from here and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _results(runs: Path) -> Iterator[tuple[Path, Row]]:
    for path in sorted(runs.glob("*/*/result.json")):
        yield path.parent, json.loads(path.read_text())


# ── output ──────────────────────────────────────────────────────────────────────────────────────────────────


def compare(work: Work, repeats: int) -> Row:
    facts = apart(prepare, work)
    placement, tried = best_placement(work, next(iter(facts["copies"])))
    ours, theirs = [], []
    for number in range(repeats):
        theirs.append(usual_grid(work, facts, placement))
        ours.append(product_grid(work, facts, number))
        shutil.rmtree(work.place / f"cache-{number}", ignore_errors=True)
    ratio, of_processors = (
        spread([slow[kind] / fast[kind] for slow, fast in zip(theirs, ours, strict=True)], 1)
        for kind in ("grid_s", "processor_s")
    )
    part = f"up to {LIMIT} clips a class, {EPOCHS} epochs, 2 of 12 methods, a seed; then scaled"
    whole = "a third of the grid's runs, the others at their mean" if work.quick else "the whole grid"
    return {
        "ratio": ratio["median"],
        "ratio_spread": ratio,
        "ratio_of_processor_seconds": of_processors,
        "floor": FLOORS.get(work.model),
        "model": work.model,
        "cores": CORES,
        "runs": sum(facts["runs"].values()),
        "clips": {name: each["all"] for name, each in facts["copies"].items()},
        "usual": {
            "placement": placement.name,
            "seconds_of_an_epoch_by_placement": tried,
            "measured": f"{_words(facts)}; the grid is extrapolated",
            "rounds": theirs,
        },
        "product": {"measured": part if work.part else whole, "rounds": ours},
    }


def _words(facts: Row) -> str:
    used = ", ".join(f"{name} {'/'.join(map(str, each['usual'].values()))}" for name, each in facts["copies"].items())
    return f"start, epochs and test with and without moco on train/val/test clips: {used}"


def show(found: Row) -> None:
    ratio = found["ratio_spread"]
    print(f"{found['model']}: the usual way takes {found['ratio']} × the product's time for {found['runs']} runs")
    print(f"  from {ratio['min']} to {ratio['max']}; floor {found['floor']}; {found['cores']} cores")
    print(
        f"  of processor seconds, which other processes disturb less: {found['ratio_of_processor_seconds']['median']}"
    )
    for side in ("usual", "product"):
        seconds = ", ".join(f"{each['grid_s']:,.0f} s" for each in found[side]["rounds"])
        print(f"  {side}: {seconds} ({found[side]['measured']})")
    print(f"  the usual way with {found['usual']['placement']}: {found['usual']['seconds_of_an_epoch_by_placement']}")
    for name, row in found["usual"]["rounds"][0]["parts_s"].items():
        print(f"    {name}: " + ", ".join(f"{part} {value} s" for part, value in row.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--datasets", default="", help="only these of the grid, such as caer")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round, and only seed 0 of the product's grid")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        datasets = [name for name in arguments.datasets.split(",") if name]
        work = Work(Path(place), arguments.model, datasets, arguments.quick, part=arguments.model != "tiny")
        found = compare(work, 1 if arguments.quick else arguments.repeats)
    if arguments.json:
        print(json.dumps(found))
    else:
        show(found)


if __name__ == "__main__":
    main()
