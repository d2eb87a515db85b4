"""What a leaderboard is about: the runs of one grid with their factor levels, and their scores as tidy rows.

A `Board` comes from a grid's plan, or, without one, from all runs of a store: then every component that some
runs have and others lack is a factor. Only the store is read; states come from stored results and not from
the plan, which is as old as the last `harness run`. Nothing here formats anything for people.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

from harness import grammar, index
from harness.errors import BadInput
from harness.index import METRICS, SPLITS, Entry, unpacked
from harness.leaderboard.sheets import number
from harness.settings import spell
from harness.statistics import mean
from harness.store import Store

_PLACES = {"root", "annotations", "faces", "bodies"}  # where a copy lies does not make another run of it
_PLACE = {key: place for place, key in enumerate(itertools.product(SPLITS, METRICS))}  # of a score in an entry


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


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the board; `entry` is None while nothing of it is stored."""

    run_id: str
    dataset: str
    method: str
    seed: int
    levels: tuple[int, ...]
    entry: Entry | None
    fold: str = ""  # of data sets that have folds

    @property
    def done(self) -> bool:
        return self.entry is not None and self.entry.done

    @property
    def failed(self) -> bool:
        return self.entry is not None and self.entry.status == "failed"

    def score(self, split: str, metric: str) -> float | None:
        return self.entry.scores[_PLACE[split, metric]] if self.entry else None

    @property
    def spec(self) -> dict[str, Any]:
        """What the run was made with, but for its method and seed."""
        return unpacked(self.entry.setup) if self.entry else {}

    @property
    def told(self) -> list[tuple[str, str, Any]]:
        """What the run's sentinels were told: (sentinel, setting, value)."""
        sentinels = self.spec.get("sentinels", {})
        return [(name, key, value) for name, given in sentinels.items() for key, value in given.items()]

    @property
    def settings(self) -> dict[str, str]:
        """Everything but the method that shaped the run, flat: `{"train.epochs": "20", …}`."""
        return _settings(self.entry.setup, self.entry.manifest) if self.entry else {}


@cache
def _settings(setup: str, manifest: str) -> dict[str, str]:
    spec = unpacked(setup)
    groups = {name: spec.get(name, {}) for name in ("train", "model", "clips", "face", "data")}
    groups["model"] = {key: value for key, value in groups["model"].items() if key != "pretrained"}
    groups["data"] = {key: value for key, value in groups["data"].items() if key not in _PLACES | {"fold"}}
    flat = {f"{name}.{key}": _spell(v) for name, group in groups.items() for key, v in group.items()}
    copy = {"data.manifest": manifest} if manifest else {}
    return flat | copy | {"protocol": _spell(spec.get("protocol"))}


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

    @cached_property
    def done(self) -> list[Run]:
        return [run for run in self.runs if run.done]

    @cached_property
    def datasets(self) -> list[str]:
        return list(dict.fromkeys(run.dataset for run in self.runs))

    def of(self, dataset: str) -> list[Run]:
        """The finished runs of one data set."""
        return [run for run in self.done if run.dataset == dataset]

    def entries(self, dataset: str) -> list[Entry]:
        """What is stored of the finished runs of one data set."""
        return [run.entry for run in self.done if run.entry and run.dataset == dataset]

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
        return sorted({entry.manifest for entry in self.entries(dataset)} - {""})

    def errors(self, dataset: str) -> list[str]:
        """The sentinels that raised errors in finished runs of a data set."""
        return sorted({sentinel for entry in self.entries(dataset) for sentinel in entry.wrong()})

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
        keys = self.differing[run.dataset] if run.entry else ()
        return ", ".join(f"{key}={run.settings.get(key, 'unset')}" for key in keys)


def load(store: Store, grid: str | None) -> Board:
    """The board of a planned grid, or of the whole store. Raises `BadInput` where nothing can be shown."""
    plan = store.read_plan(grid) if grid else None
    board = _from_plan(store, plan) if plan else _from_store(store)
    if not board.runs:
        raise BadInput(str(store.root), "holds no runs", "train some: harness run")
    if not board.done:
        why = next((": " + run.entry.error for run in board.runs if run.entry and run.failed), "")
        mend = "train them: harness run" if not why else "mend that, then harness run trains them again"
        raise BadInput(str(store.root), f"none of {len(board.runs)} runs is done{why}", mend)
    return board


def tidy(board: Board) -> Iterator[list[str]]:
    """Header and rows of results.csv: one score a row, each with the run that it comes from."""
    factors = [factor.name for factor in board.factors]
    folded = any(run.fold for run in board.done)
    yield ["run_id", "dataset", "method", *factors, "seed", "split", "metric", "value", *["fold"] * folded]
    for run in board.done:
        place = [run.run_id, run.dataset, run.method, *map(str, run.levels), str(run.seed)]
        last = [run.fold] * folded
        for split, metric in _PLACE:
            if (score := run.score(split, metric)) is not None:
                yield [*place, split, metric, number(score), *last]


def _from_plan(store: Store, plan: Mapping[str, Any]) -> Board:
    name = plan["grid"]
    factors = tuple(Factor(f["name"], tuple(f["levels"])) for f in plan["factors"])
    runs, entries = [], index.entries(store)
    for row in plan["runs"]:
        levels = tuple(int(row["levels"].get(factor.name, 0)) for factor in factors)
        entry = entries.get((row["dataset"], row["run_id"]))
        runs.append(Run(row["run_id"], row["dataset"], row["method"], row["seed"], levels, entry, row.get("fold", "")))
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
    found = [
        Run(e.run_id, e.dataset, e.method, e.seed, (), e, unpacked(e.setup).get("data", {}).get("fold", ""))
        for e in index.entries(store).values()
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
    written = {method: _components(method) for method in dict.fromkeys(run.method for run in runs)}
    names = sorted({name for parts in written.values() for name in parts})
    spelled = {name: sorted({parts.get(name, "") for parts in written.values()}) for name in names}
    factors = tuple(Factor(name, tuple(texts)) for name, texts in spelled.items() if len(texts) > 1)
    common = "+".join(texts[0] for texts in spelled.values() if len(texts) == 1)
    levels = {
        method: tuple(factor.levels.index(parts.get(factor.name, "")) for factor in factors)
        for method, parts in written.items()
    }
    return factors, [replace(run, levels=levels[run.method]) for run in runs], common


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
    told = settings_of(runs)
    keys = sorted({key for settings in told for key in settings})
    values = {key: {settings.get(key, "unset") for settings in told} for key in keys}
    return {key: sorted(found) for key, found in values.items() if len(found) > 1}


def settings_of(runs: Iterable[Run]) -> list[dict[str, str]]:
    """The settings of stored runs, those that many share only once."""
    return [_settings(*shared) for shared in dict.fromkeys((r.entry.setup, r.entry.manifest) for r in runs if r.entry)]


def _spell(value: Any) -> str:
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else spell(value)
