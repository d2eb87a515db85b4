"""Stores whose runs have predictions, and scores that follow from them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from pyarrow import parquet
from stored import PLANTED, plan_of, save_run

from harness import scores
from harness.store import Store

CLASSES = ("Anger", "Happy", "Sad")
CLIPS = 97


def of(row: dict[str, Any], gain: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """A run's labels and probabilities: what is easy is so for every run, planted effects move all classes."""
    rng = np.random.default_rng(int(hashlib.sha256(row["run_id"].encode()).hexdigest()[:8], 16))
    labels = np.arange(CLIPS) % len(CLASSES)
    easy = np.random.default_rng(len(row["dataset"])).normal(0.6, 1, CLIPS)
    gain = sum(PLANTED.get(name, 0.0) * level for name, level in row["levels"].items()) if gain is None else gain
    logits = rng.normal(0, 0.7, (CLIPS, len(CLASSES)))
    logits[np.arange(CLIPS), labels] += easy + 10 * gain
    odds = np.exp(logits)
    return labels, odds / odds.sum(1, keepdims=True)


def write(folder: Path, labels: np.ndarray, probabilities: np.ndarray, ids: Sequence[str] | None = None) -> None:
    """The test predictions, after some of another split that nobody may count."""
    ids = ids or [f"test/{clip:03}" for clip in range(len(labels))]
    columns = {
        "clip_id": ["val/000", *ids],
        "split": ["val", *["test"] * len(labels)],
        "epoch": pyarrow.array([7] * (len(labels) + 1), pyarrow.int32()),
        "label": pyarrow.array([0, *labels.tolist()], pyarrow.int32()),
        "prediction": pyarrow.array([0, *probabilities.argmax(1).tolist()], pyarrow.int32()),
        "probabilities": [[1.0] + [0.0] * (probabilities.shape[1] - 1), *probabilities.tolist()],
    }
    parquet.write_table(pyarrow.table(columns), folder / "predictions.parquet")


def save(root: Path, row: dict[str, Any], ids: Sequence[str] | None = None, spec: dict | None = None) -> None:
    labels, probabilities = of(row)
    told = {name: getattr(scores, name)(probabilities, labels) for name in ("war", "uar", "f1", "ece")}
    result = {"metrics": {"val": told, "test": told}, "classes": list(CLASSES), "manifest": f"m-{row['dataset']}"}
    save_run(root, row, 0.0, spec, result)
    write(root / row["dataset"] / row["run_id"], labels, probabilities, ids)


def store(root: Path, plan: dict[str, Any]) -> Store:
    for row in plan["runs"]:
        save(root, row)
    made = Store(root)
    made.write_plan("demo", plan)
    return made


def demo(root: Path, datasets: Sequence[str] = ("caer", "raer"), seeds: Sequence[int] = (0, 1, 2)) -> Store:
    return store(root, plan_of(list(datasets), list(seeds)))


def fraction_of_three(seeds: Sequence[int]) -> dict[str, Any]:
    """The plan of half of all combinations of three components, in which each is confounded with a pair."""
    levels = {name: ["", name] for name in ("moco", "mixup", "dc")}
    plan = plan_of(["caer"], list(seeds), levels)
    plan["runs"] = [row for row in plan["runs"] if sum(row["levels"].values()) % 2 == 0]
    told = {"kind": "fractional", "factors": [*levels], "nested": {}, "wanted": 3, "resolution": 3}
    return plan | {"design": told | {"fraction": [*levels], "words": [[*levels]], "aliases": [["moco", "mixup×dc"]]}}


def fraction_of_four(seeds: Sequence[int]) -> dict[str, Any]:
    """The plan of half of all combinations of four components."""
    levels = {name: ["", name] for name in "abcd"}
    plan = plan_of(["caer"], list(seeds), levels)
    plan["runs"] = [row for row in plan["runs"] if sum(row["levels"].values()) % 2 == 0]
    aliases = [["a×b", "c×d"], ["a×c", "b×d"], ["a×d", "b×c"]]
    told = {"kind": "fractional", "factors": [*levels], "nested": {}, "wanted": 4, "resolution": 4}
    return plan | {"design": told | {"fraction": [*levels], "words": [[*levels]], "aliases": aliases}}
