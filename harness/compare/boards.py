"""Two leaderboard folders: their settings, which runs each has, mean scores, and whether effects say the same."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.compare.agreement import ABSENT, differing
from harness.errors import BadInput
from harness.files import read_json
from harness.statistics import mean, verdict

Place = tuple[str, str]  # seed and fold


@dataclass
class _Board:
    """A folder as it is read, by data set and method, then by place: a seed and, where there are folds, its fold.

    A method whose runs are of several variants of the settings is as many methods. A place that holds several runs
    all the same has all of them: `runs` are their ids, `scores` (by metric too) their test scores.
    """

    scores: dict[tuple[str, str, str], dict[Place, list[float]]] = field(default_factory=lambda: defaultdict(dict))
    runs: dict[tuple[str, str], dict[Place, set[str]]] = field(default_factory=lambda: defaultdict(dict))
    copies: dict[str, dict[str, Any]] = field(default_factory=dict)
    effects: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)


def compare(first: Path, second: Path) -> dict[str, Any]:
    """The comparison but for its names; `runs` says of each method which seeds are done, and which are missing."""
    boards = [_read(folder) for folder in (first, second)]
    a, b = boards
    rows = [_score(boards, cell) for cell in a.scores if cell in b.scores]
    datasets = dict.fromkeys(cell[0] for cell in a.scores if cell in b.scores)
    alone = [sorted({f"{d} {m}" for d, m in one.runs if (d, m) not in other.runs}) for one, other in ((a, b), (b, a))]
    return {
        "copies": {name: _copies(boards, name) for name in datasets},
        "alarms": [
            {name: fact["errors"] for name, fact in board.copies.items() if fact.get("errors")} for board in boards
        ],
        "settings": {name: _settings(boards, name) for name in datasets},
        "runs": list(_runs(boards)),
        "scores": rows,
        "alone": alone,
        "effects": list(_effects(boards)),
    }


def _read(folder: Path) -> _Board:
    board, path = _Board(), folder / "results.csv"
    try:
        for row in _rows(path):
            method = f"{row['method']} ({row['variant']})" if row.get("variant") else row["method"]
            cell, place = (row["dataset"], method), (_seed(row["seed"]), row.get("fold") or "")
            board.runs[cell].setdefault(place, set()).add(row["run_id"])
            if row["split"] == "test":
                board.scores[*cell, row["metric"]].setdefault(place, []).append(float(row["value"]))
        path = folder / "ablation.csv"
        for row in _rows(path) if path.is_file() else ():
            board.effects[row["dataset"], row["metric"], row["factor"]] = _effect(row)
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise BadInput(str(path), f"is no such table of a leaderboard ({error})", "write it again: report") from error
    if (folder / "copies.json").exists():
        board.copies = read_json(folder / "copies.json")
    return board


def _seed(text: str) -> str:
    try:
        return str(int(text))
    except ValueError:
        raise ValueError(f"seed {text!r} is no whole number") from None


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _effect(row: Mapping[str, str]) -> dict[str, Any]:
    low, high, p = (float(row[name]) if row[name] else None for name in ("ci_low", "ci_high", "p_holm"))
    effect = float(row["effect"])
    return {"effect": effect, "low": low, "high": high, "word": verdict(effect, p, row["metric"])}


def _score(boards: list[_Board], cell: tuple[str, str, str]) -> dict[str, Any]:
    """Both means of a score, over the seeds (and folds) that both boards have; over each one's own where none is
    shared, and then there is no difference to tell."""
    found = [board.scores[cell] for board in boards]
    shared = [place for place in found[0] if place in found[1]]
    values = [mean([mean(scores[place]) for place in shared or scores]) for scores in found]
    first, second = _copies(boards, cell[0])
    return {"of": list(cell), "values": values, "same_data": bool(first) and first == second, "shared": len(shared)}


def _copies(boards: list[_Board], dataset: str) -> list[list[str]]:
    """The manifests of a data set on either side: those of the folds that both have, where both tell them by fold."""
    told = [board.copies.get(dataset, {}) for board in boards]
    folds = [copy.get("folds", {}) for copy in told]
    shared = sorted(set(folds[0]) & set(folds[1]))
    if not shared:
        return [copy.get("manifests", []) for copy in told]
    return [[manifest for fold in shared for manifest in of[fold]] for of in folds]


def _settings(boards: list[_Board], dataset: str) -> dict[str, list[str]] | None:
    """In what the runs of a data set differ; None where a folder doesn't tell, as those of before didn't.

    A plugin that only one has is not told: its methods are only in that one, too.
    """
    told = [board.copies.get(dataset, {}) for board in boards]
    if not all("settings" in copy for copy in told):
        return None
    counts = [{"processes a run": " or ".join(map(str, copy.get("processes", ()))) or ABSENT} for copy in told]
    found = differing(*({**copy["settings"], **count} for copy, count in zip(told, counts, strict=True)))
    return {key: values for key, values in found.items() if not (key.startswith("plugins.") and ABSENT in values)}


def _runs(boards: list[_Board]) -> Iterator[dict[str, Any]]:
    """Of each method of either: the seeds (and folds) done and missing, and how many runs are the same.

    Missing in a leaderboard is what its other methods of the data set have: it failed, or was not trained. Nothing is
    missing of a method that it has no run of. A run id is an address of all that decides the numbers, so the same id is
    the same data and settings.
    """
    asked: list[dict[str, set[Place]]] = [defaultdict(set) for _ in boards]
    for board, seeds in zip(boards, asked, strict=True):
        for (dataset, _), found in board.runs.items():
            seeds[dataset] |= set(found)
    for cell in dict.fromkeys(cell for board in boards for cell in board.runs):
        done = [board.runs.get(cell, {}) for board in boards]
        missing = [seeds[cell[0]] - set(have) if have else set() for seeds, have in zip(asked, done, strict=True)]
        yield {
            "of": list(cell),
            "done": [_seeds(have) for have in done],
            "missing": [_seeds(lacking) for lacking in missing],
            "same": sum(len(ids & done[1].get(place, set())) for place, ids in done[0].items()),
        }


def _seeds(seeds: Iterable[Place]) -> list[str]:
    """Seeds, each with its fold where the data set has folds, in the order of numbers."""
    ordered = sorted(seeds, key=lambda seed: (int(seed[0]), seed[1]))
    return [f"{seed} fold {fold}" if fold else seed for seed, fold in ordered]


def _effects(boards: list[_Board]) -> Iterator[dict[str, Any]]:
    for key in dict.fromkeys(key for board in boards for key in board.effects):
        found = [board.effects.get(key) for board in boards]
        words = [effect["word"] if effect else None for effect in found]
        yield {"of": list(key), "effects": found, "agree": words[0] == words[1] if None not in words else None}
