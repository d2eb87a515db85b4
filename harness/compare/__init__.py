"""Two runs or two leaderboards side by side: what differs in settings, data and environment, and what they scored.

The first thing said is whether the two speak of the same copies of the data. Scores from other copies are shown,
since people will look at them anyway, but never as a difference between methods.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tabulate import tabulate

from harness.errors import BadInput
from harness.statistics import mean
from harness.store import Record, Store, read_json

GROUPS = ("components", "train", "model", "clips", "face", "data")


def compare(first: str, second: str, store: Store) -> dict[str, Any]:
    """What `harness compare --json` prints: of two leaderboard folders, or of two runs of a store."""
    boards = [(Path(name) / "results.csv").is_file() for name in (first, second)]
    if all(boards):
        return {"kind": "leaderboards", "names": [first, second], **_boards(Path(first), Path(second))}
    if any(boards):
        raise BadInput(second if boards[0] else first, "is no leaderboard, the other is", "give two of a kind")
    return {"kind": "runs", "names": [first, second], **_runs(store.find(first), store.find(second))}


def text(found: Mapping[str, Any]) -> str:
    """The same for people."""
    first, second = found["names"]
    lines = [f"A: {first}", f"B: {second}", ""]
    lines += ["data", *(f"  {name}: {_copies_in_words(fact)}" for name, fact in found["copies"].items())]
    for place, alarms in enumerate(found["alarms"]):
        for dataset, errors in alarms.items():
            lines.append(f"  ⚠ errors in {'AB'[place]}, {dataset}: {', '.join(errors)}: its scores mean something else")
    for title in ("settings", "environment"):
        rows = [[key, *values] for key, values in found.get(title, {}).items()]
        if title in found:
            lines += ["", title, tabulate(rows, ["", "A", "B"], disable_numparse=True) if rows else "  the same"]
    lines += ["", "test scores, %"]
    rows = [[*row["of"], *map(_percent, row["values"]), _change(row)] for row in found["scores"]]
    named = ["data set", "method", "metric"][-len(found["scores"][0]["of"]) :] if found["scores"] else []
    lines.append(tabulate(rows, [*named, "A", "B", "B − A"], disable_numparse=True, colalign=_columns(len(named))))
    lines += [f"only in {'AB'[place]}: {', '.join(names)}" for place, names in enumerate(found["alone"]) if names]
    return "\n".join(lines)


# ── leaderboards ────────────────────────────────────────────────────────────────────────────────────────────


def _boards(first: Path, second: Path) -> dict[str, Any]:
    scores = [_scores(folder) for folder in (first, second)]
    copies = [_copies(folder) for folder in (first, second)]
    shared = [cell for cell in scores[0] if cell in scores[1]]
    alarms = [_alarms(folder) for folder in (first, second)]
    rows = [
        {"of": list(cell), "values": [scores[0][cell], scores[1][cell]], "same_data": _same(copies, cell[0])}
        for cell in shared
    ]
    alone = [sorted({f"{d} {m}" for d, m, _ in set(a) - set(b)}) for a, b in (scores, scores[::-1])]
    facts = {name: [copy.get(name, []) for copy in copies] for name in dict.fromkeys(cell[0] for cell in shared)}
    return {"copies": facts, "alarms": alarms, "scores": rows, "alone": alone}


def _scores(folder: Path) -> dict[tuple[str, str, str], float]:
    """The mean test score by data set, method and metric."""
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == "test":
                values[row["dataset"], row["method"], row["metric"]].append(float(row["value"]))
    return {cell: mean(found) for cell, found in values.items()}


def _copies(folder: Path) -> dict[str, list[str]]:
    path = folder / "copies.json"
    return {name: fact["manifests"] for name, fact in read_json(path).items()} if path.exists() else {}


def _alarms(folder: Path) -> dict[str, list[str]]:
    """The sentinels that raised errors, by data set."""
    path = folder / "copies.json"
    return (
        {name: fact["errors"] for name, fact in read_json(path).items() if fact.get("errors")} if path.exists() else {}
    )


def _same(copies: list[dict[str, list[str]]], dataset: str) -> bool:
    first, second = (copy.get(dataset) for copy in copies)
    return bool(first) and first == second


# ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────


def _runs(first: Record, second: Record) -> dict[str, Any]:
    manifests = [[record.result["manifest"]] if record.result.get("manifest") else [] for record in (first, second)]
    same = bool(manifests[0]) and manifests[0] == manifests[1]
    metrics = [record.result.get("metrics", {}).get("test", {}) for record in (first, second)]
    rows = [
        {"of": [name], "values": [metrics[0][name], metrics[1][name]], "same_data": same}
        for name in metrics[0]
        if name in metrics[1]
    ]
    names = dict.fromkeys(record.spec["dataset"] for record in (first, second))
    return {
        "copies": {" against ".join(names): manifests},
        "alarms": [_raised(record) for record in (first, second)],
        "settings": _differing(*(_flat(record.spec) for record in (first, second))),
        "environment": _differing(*(dict(_leaves(record.environment())) for record in (first, second))),
        "scores": rows,
        "alone": [sorted(set(a) - set(b)) for a, b in (metrics, metrics[::-1])],
    }


def _raised(record: Record) -> dict[str, list[str]]:
    return {record.spec["dataset"]: errors} if (errors := record.errors()) else {}


def _flat(spec: Mapping[str, Any]) -> dict[str, str]:
    groups = {group: spec.get(group, {}) for group in GROUPS}
    return {"dataset": spec["dataset"], "seed": str(spec["seed"]), **dict(_leaves(groups))}


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """`{"train": {"lr": 1}}` as `train.lr`, `1`."""
    if isinstance(value, Mapping) and value:
        for key, part in value.items():
            yield from _leaves(part, f"{name}.{key}" if name else str(key))
    elif name:
        yield name, value if isinstance(value, str) else json.dumps(value)


def _differing(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, list[str]]:
    keys = dict.fromkeys([*first, *second])
    return {key: [first.get(key, "–"), second.get(key, "–")] for key in keys if first.get(key) != second.get(key)}


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────


def _copies_in_words(manifests: list[list[str]]) -> str:
    first, second = (" or ".join(found) for found in manifests)
    if not (first and second):
        return "unknown whether the copies are the same: runs of before manifests were stored"
    if first == second:
        return f"the same copy (manifest {first})"
    return f"DIFFERENT COPIES (manifest {first} against {second}): scores don't compare; see `harness data diff`"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _change(row: Mapping[str, Any]) -> str:
    first, second = row["values"]
    return f"{100 * (second - first):+.1f}" if row["same_data"] else "–"


def _columns(named: int) -> list[str]:
    return ["left"] * named + ["right"] * 3
