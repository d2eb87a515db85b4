"""Stores of runs that nobody trained: plain files on disk, with planted effects, as `harness run` leaves them."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import random
from pathlib import Path
from typing import Any

from harness import protocol
from harness.store import Store

SPEC: dict[str, Any] = {
    "dataset": "caer",
    "method": "ldl(temperature=0.1)+prompt",
    "seed": 2,
    "protocol": 1,
    "data": {"root": "", "annotations": "", "faces": "", "fingerprint": "f00", "miniature": True},
    **{name: dataclasses.asdict(cls()) for name, cls in protocol.GROUPS.items()},
}
LEVELS = {
    "ldl": ["lsr(epsilon=0.05)", "ldl(temperature=0.1)"],
    "warmup": ["", "warmup(epochs=5)"],
    "moco": ["", "moco"],
}
PLANTED = {"ldl": 0.06, "warmup": 0.0, "moco": -0.04}


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def save_run(
    root: Path, row: dict[str, Any], score: float, spec: dict | None = None, result: dict | None = None
) -> None:
    """A finished run's spec.json and result.json, with `spec` and `result` on top."""
    place = {key: row[key] for key in ("dataset", "method", "seed")}
    whole = {
        "protocol": 1,
        "train": {"epochs": 20, "lr": 0.001, "selection": "val"},
        "model": {"name": "tiny", "pretrained": "/home/somebody/w.safetensors", "weights": "abc123"},
        "clips": {"frames": 16},
        "face": {"missing": "center-crop"},
        "data": {"fingerprint": f"print-{row['dataset']}", "miniature": False, "root": "/home/somebody/data"},
    }
    scores = {"war": score, "uar": score - 0.1, "f1": score - 0.05, "ece": 0.2}
    faces = {"train": {"found": 90, "missing": 10}, "test": {"found": 40, "missing": 0}}
    done = {
        "status": "done",
        "selection": "val",
        "epoch": 7,
        "metrics": {"val": scores, "test": scores},
        "primary": "war",
        "alarms": 0,
        "duration_s": 3.0,
        "counts": {"faces": faces, "boxes": {"frame": 130, "center-crop": 10}, "unreadable": 0, "notes": []},
    }
    folder = root / row["dataset"] / row["run_id"]
    write(folder / "spec.json", {**place, **whole, **(spec or {})})
    write(folder / "result.json", {**place, "run_id": row["run_id"], **done, **(result or {})})


def plan_of(datasets: list[str], seeds: list[int], factors: dict[str, list[str]] = LEVELS) -> dict[str, Any]:
    """The plan of a full design, in which warm-up exists only where LDL is on."""
    runs, dropped = [], []
    for choice in itertools.product(*(range(len(levels)) for levels in factors.values())):
        levels = dict(zip(factors, choice, strict=True))
        texts = ["prompt", *(factors[name][level] for name, level in levels.items())]
        method = "+".join(sorted(filter(None, texts)))
        if levels.get("warmup") and not levels["ldl"]:
            dropped.append({"method": method, "why": "warmup needs ldl"})
            continue
        for dataset, seed in itertools.product(datasets, seeds):
            run_id = f"{''.join(map(str, choice))}-s{seed}-{dataset}"
            row = {"run_id": run_id, "dataset": dataset, "method": method, "seed": seed, "levels": levels}
            runs.append({**row, "status": "todo", "eta_s": None})
    listed = [{"name": name, "levels": levels} for name, levels in factors.items()]
    rest = {"dropped": dropped, "baseline": "prompt", "miniatures": [], "selection": "val"}
    return {"grid": "demo", "runs": sorted(runs, key=lambda r: r["dataset"]), "factors": listed, **rest}


def planted_score(row: dict[str, Any]) -> float:
    """A level of the seed, the planted effects, and a little noise that depends on the run alone."""
    noise = random.Random(row["run_id"]).gauss(0, 0.002)
    gain = sum(PLANTED.get(name, 0.0) * level for name, level in row["levels"].items())
    return 0.5 + 0.02 * row["seed"] + gain + noise


def store_of(root: Path, plan: dict[str, Any], order: int = 0) -> Store:
    rows = list(plan["runs"])
    random.Random(order).shuffle(rows)
    for row in rows:
        save_run(root, row, planted_score(row))
    store = Store(root)
    store.write_plan("demo", plan)
    return store


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def settle(root: Path) -> None:
    """As if the store had been at rest for an hour: what has just changed is read again each time."""
    for path in root.rglob("*.json*"):
        found = path.stat()
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns - 3600 * 10**9))
