"""What a leaderboard is about: the runs of one grid with their factor levels, and their scores as tidy rows.

A `Board` comes from a grid's plan, or, without one, from all runs of a store: then every component that some
runs have and others lack is a factor. Only the store is read; states come from stored results and not from
the plan, which is as old as the last `harness run`. Nothing here formats anything for people.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from harness import grammar
from harness.errors import BadInput, headline
from harness.settings import spell
from harness.statistics import mean
from harness.store import Record, Store

SPLITS = ("val", "test")
METRICS = ("war", "uar", "f1", "ece")
_PLACES = {"root", "annotations", "faces", "bodies"}  # where a copy lies does not make another run of it


@dataclass(frozen=True)
class Factor:
    """A choice that a grid makes: level 0 is what the others are compared with; the text "" is nothing."""

    name: str
    levels: tuple[str, ...]

    @property
    def contrasts(self) -> list[tuple[int, str]]:
        """Each level above 0 with its name in the ablation: the factor's own where there is just one."""
        if len(self.levels) == 2:
            return [(1, self.name)]
        return [(i, f"{self.name}={text or 'nothing'}") for i, text in enumerate(self.levels) if i]

    @property
    def marks(self) -> list[str]:
        """What a table shows for each level: off and on, or names as short as they can be told apart."""
        if len(self.levels) == 2 and not self.levels[0]:
            return ["·", "✓"]
        short = ["+".join(grammar.read(text)) if text else "·" for text in self.levels]
        return short if len(set(short)) == len(short) else [text or "·" for text in self.levels]


@dataclass(frozen=True)
class Run:
    """One run of the board; `record` is None while nothing of it is stored."""

    run_id: str
    dataset: str
    method: str
    seed: int
    levels: tuple[int, ...]
    record: Record | None
    fold: str = ""  # of data sets that have folds

    @property
    def done(self) -> bool:
        return self.record is not None and self.record.done

    @property
    def failed(self) -> bool:
        return self.record is not None and self.record.result.get("status") == "failed"

    @property
    def error(self) -> dict[str, Any]:
        return self.result.get("error") or {}

    @property
    def result(self) -> dict[str, Any]:
        return self.record.result if self.record else {}

    @property
    def spec(self) -> dict[str, Any]:
        return self.record.spec if self.record else {}

    def score(self, split: str, metric: str) -> float | None:
        return self.result.get("metrics", {}).get(split, {}).get(metric)

    @property
    def told(self) -> list[tuple[str, str, Any]]:
        """What the run's sentinels were told: (sentinel, setting, value)."""
        sentinels = self.spec.get("sentinels", {})
        return [(name, key, value) for name, given in sentinels.items() for key, value in given.items()]

    @cached_property
    def settings(self) -> dict[str, str]:
        """Everything but the method that shaped the run, flat: `{"train.epochs": "20", …}`."""
        groups = {name: self.spec.get(name, {}) for name in ("train", "model", "clips", "face", "data")}
        groups["model"] = {key: value for key, value in groups["model"].items() if key != "pretrained"}
        groups["data"] = {key: value for key, value in groups["data"].items() if key not in _PLACES | {"fold"}}
        flat = {f"{name}.{key}": _spell(v) for name, group in groups.items() for key, v in group.items()}
        copy = {"data.manifest": self.result["manifest"]} if self.result.get("manifest") else {}
        return flat | copy | {"protocol": _spell(self.spec.get("protocol"))}


@dataclass(frozen=True)
class Board:
    """One grid: its factors, and its runs by data set, then in the design's order, then by seed."""

    title: str
    grid: str | None
    factors: tuple[Factor, ...]
    runs: tuple[Run, ...]
    baseline: str
    dropped: tuple[dict[str, str], ...]
    miniatures: frozenset[str]
    command: str

    @property
    def done(self) -> list[Run]:
        return [run for run in self.runs if run.done]

    @property
    def datasets(self) -> list[str]:
        return list(dict.fromkeys(run.dataset for run in self.runs))

    def of(self, dataset: str) -> list[Run]:
        """The finished runs of one data set."""
        return [run for run in self.done if run.dataset == dataset]

    def folds(self, dataset: str) -> list[str]:
        """The folds of a data set that the board is about; empty for one without folds."""
        return sorted({run.fold for run in self.runs if run.dataset == dataset and run.fold})

    def per_seed(self, runs: Sequence[Run], metric: str) -> list[float]:
        """The test scores of one method on one data set: one a seed, the mean of the folds where there are folds.

        A seed that lacks a fold is left out: a mean of other folds would not compare.
        """
        scores: dict[int, dict[str, float]] = defaultdict(dict)
        for run in runs:
            score = run.score("test", metric) if run.done else None
            if score is not None:
                scores[run.seed][run.fold] = score
        wanted = {run.fold for run in runs}
        return [mean(list(folds.values())) for folds in scores.values() if set(folds) == wanted]

    def manifests(self, dataset: str) -> list[str]:
        """Hashes of the copies that the finished runs of a data set were trained on: one, or one a fold."""
        return sorted({run.result["manifest"] for run in self.of(dataset) if run.result.get("manifest")})

    def errors(self, dataset: str) -> list[str]:
        """The sentinels that raised errors in finished runs of a data set."""
        return sorted({sentinel for run in self.of(dataset) if run.record for sentinel in run.record.errors()})

    @cached_property
    def differing(self) -> dict[str, dict[str, list[str]]]:
        """Per data set, the settings in which its finished runs disagree. Such runs never pair."""
        return {dataset: self._disagreement(dataset) for dataset in self.datasets}

    def _disagreement(self, dataset: str) -> dict[str, list[str]]:
        """Folds hold other clips, so runs are only held against those of their own fold."""
        found: dict[str, set[str]] = defaultdict(set)
        for fold in self.folds(dataset) or [""]:
            for key, values in _differing([run for run in self.of(dataset) if run.fold == fold]).items():
                found[key].update(values)
        return {key: sorted(values) for key, values in found.items()}

    def variant(self, run: Run) -> str:
        """The run's values of the settings in which its data set's runs disagree; mostly empty."""
        keys = self.differing[run.dataset] if run.record else ()
        return ", ".join(f"{key}={run.settings.get(key, 'unset')}" for key in keys)


def load(store: Store, grid: str | None) -> Board:
    """The board of a planned grid, or of the whole store. Raises `BadInput` where nothing can be shown."""
    plan = store.read_plan(grid) if grid else None
    board = _from_plan(store, plan) if plan else _from_store(store)
    if not board.runs:
        raise BadInput(str(store.root), "holds no runs", "train some: harness run")
    if not board.done:
        why = next((": " + headline(run.error) for run in board.runs if run.failed), "")
        mend = "train them: harness run" if not why else "mend that, then harness run trains them again"
        raise BadInput(str(store.root), f"none of {len(board.runs)} runs is done{why}", mend)
    return board


def tidy(board: Board) -> list[list[str]]:
    """Header and rows of results.csv: one score a row, each with the run that it comes from."""
    factors = [factor.name for factor in board.factors]
    folded = any(run.fold for run in board.done)
    rows = [["run_id", "dataset", "method", *factors, "seed", "split", "metric", "value", *["fold"] * folded]]
    for run in board.done:
        place = [run.run_id, run.dataset, run.method, *map(str, run.levels), str(run.seed)]
        last = [run.fold] * folded
        for split in SPLITS:
            scores = ((metric, run.score(split, metric)) for metric in METRICS)
            rows += [[*place, split, metric, number(score), *last] for metric, score in scores if score is not None]
    return rows


def as_csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def number(value: float | None) -> str:
    """Ten digits: more than any score has, fewer than where processors disagree. Empty for None."""
    return "" if value is None else f"{value:.10g}"


def _from_plan(store: Store, plan: Mapping[str, Any]) -> Board:
    name = plan["grid"]
    factors = tuple(Factor(f["name"], tuple(f["levels"])) for f in plan["factors"])
    runs = []
    for row in plan["runs"]:
        levels = tuple(int(row["levels"].get(factor.name, 0)) for factor in factors)
        record = store.record(row["dataset"], row["run_id"])
        runs.append(Run(row["run_id"], row["dataset"], row["method"], row["seed"], levels, record, row.get("fold", "")))
    baseline = plan.get("baseline", "")
    if not factors:
        factors, runs, baseline = _by_components(runs)
    return Board(
        title=plan.get("title") or f"Grid {name}",
        grid=name,
        factors=factors,
        runs=_sorted(runs, [row["dataset"] for row in plan["runs"]]),
        baseline=baseline,
        dropped=tuple(plan.get("dropped", ())),
        miniatures=_miniatures(runs) | frozenset(plan.get("miniatures", ())),
        command=plan.get("command") or f"harness run --grid grids/{name}.toml",
    )


def _from_store(store: Store) -> Board:
    stored = [(record, record.spec) for record in store.records()]
    found = [
        Run(r.run_id, spec["dataset"], spec["method"], spec["seed"], (), r, spec.get("data", {}).get("fold", ""))
        for r, spec in stored
    ]
    factors, runs, baseline = _by_components(found)
    return Board(
        title="All stored runs",
        grid=None,
        factors=factors,
        runs=_sorted(runs, sorted({run.dataset for run in runs})),
        baseline=baseline,
        dropped=(),
        miniatures=_miniatures(runs),
        command="",
    )


def _by_components(runs: Sequence[Run]) -> tuple[tuple[Factor, ...], list[Run], str]:
    """Factors for runs that no design describes: each component that is not the same in all of them.

    A component with different settings is a factor of several levels, so runs at the same levels are of the
    same method.
    """
    written = {run.method: _components(run.method) for run in runs}
    names = sorted({name for parts in written.values() for name in parts})
    spelled = {name: sorted({parts.get(name, "") for parts in written.values()}) for name in names}
    factors = tuple(Factor(name, tuple(texts)) for name, texts in spelled.items() if len(texts) > 1)
    common = "+".join(texts[0] for texts in spelled.values() if len(texts) == 1)
    placed = []
    for run in runs:
        levels = tuple(f.levels.index(written[run.method].get(f.name, "")) for f in factors)
        placed.append(replace(run, levels=levels))
    return factors, placed, common


def _components(method: str) -> dict[str, str]:
    """Each component of a method with its settings, as written."""
    parts = {}
    for name, settings in grammar.read(method).items() if method.strip() else ():
        inside = ",".join(f"{key}={spell(value)}" for key, value in sorted(settings.items()))
        parts[name] = f"{name}({inside})" if inside else name
    return parts


def _sorted(runs: Iterable[Run], datasets: Sequence[str]) -> tuple[Run, ...]:
    order = {name: place for place, name in enumerate(dict.fromkeys(datasets))}
    return tuple(sorted(runs, key=lambda r: (order[r.dataset], r.levels, r.method, r.fold, r.seed, r.run_id)))


def _miniatures(runs: Iterable[Run]) -> frozenset[str]:
    return frozenset(run.dataset for run in runs if run.spec.get("data", {}).get("miniature"))


def _differing(runs: Sequence[Run]) -> dict[str, list[str]]:
    values: dict[str, set[str]] = defaultdict(set)
    for key in sorted({key for run in runs for key in run.settings}):
        values[key] = {run.settings.get(key, "unset") for run in runs}
    return {key: sorted(found) for key, found in values.items() if len(found) > 1}


def _spell(value: Any) -> str:
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else spell(value)
