"""What a leaderboard is about: the runs of one grid with their factor levels, and what they have in common.

Plain facts read from stored runs; where they come from is `results`' matter, what they say is the other rooms'.
Nothing here formats anything for people.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from harness.files import Damaged, read_json
from harness.grid import grammar
from harness.grid.design import Levels
from harness.settings import spell
from harness.statistics import mean
from harness.store.index import METRICS, SPLITS, Entry, unpacked

SCORES = tuple(itertools.product(SPLITS, METRICS))  # of a run, in the order of its entry
_PLACE = {key: place for place, key in enumerate(SCORES)}
_PLUGIN = "plugins."  # before the name of one from outside, whose code is a setting of the run
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


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the board; `entry` is None while nothing of it is stored."""

    run_id: str
    dataset: str
    method: str
    seed: int
    levels: tuple[int, ...]
    entry: Entry | None
    folder: Path  # where it is stored, or will be
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
    outside = {f"{_PLUGIN}{name}": facts["hash"] for name, facts in spec.get("plugins", {}).items()}
    return flat | copy | outside | {"protocol": _spell(spec.get("protocol"))}


@dataclass(frozen=True)
class Board:
    """One grid: its factors, and its runs by data set, then in the design's order, then by seed.

    `design` is what the plan says of how levels were combined, `until` the rule by which it added seeds; `seeds` are
    in the plan's order. `disputed` are runs that several stores hold with different results.
    """

    title: str
    grid: str | None
    factors: tuple[Factor, ...]
    runs: tuple[Run, ...]
    baseline: str
    dropped: tuple[dict[str, str], ...]
    miniatures: frozenset[str]
    command: str
    seeds: tuple[int, ...]
    design: Mapping[str, Any] | None = None
    until: Mapping[str, Any] | None = None
    disputed: tuple[str, ...] = ()

    @cached_property
    def contrasts(self) -> list[str]:
        """The names of all that is compared with a first level, factor by factor."""
        return [name for factor in self.factors for _, name in factor.contrasts]

    @cached_property
    def done(self) -> list[Run]:
        return [run for run in self.runs if run.done]

    @cached_property
    def datasets(self) -> list[str]:
        return list(dict.fromkeys(run.dataset for run in self.runs))

    def of(self, dataset: str) -> list[Run]:
        """The finished runs of one data set."""
        return [run for run in self.done if run.dataset == dataset]

    def methods(self, dataset: str) -> dict[tuple[str, str], list[Run]]:
        """The runs of each line of a data set's table: those of one method, and of one variant of the settings."""
        lines: dict[tuple[str, str], list[Run]] = defaultdict(list)
        for run in self.runs:
            if run.dataset == dataset:
                lines[run.method, self.variant(run)].append(run)
        return lines

    def entries(self, dataset: str) -> list[Entry]:
        """What is stored of the finished runs of one data set."""
        return [run.entry for run in self.done if run.entry and run.dataset == dataset]

    def folds(self, dataset: str) -> list[str]:
        """The folds of a data set that the board is about; empty for one without folds."""
        return sorted({run.fold for run in self.runs if run.dataset == dataset and run.fold})

    def per_seed(self, runs: Sequence[Run], metric: str) -> dict[int, float]:
        """The test scores of one method on one data set, by seed: the mean of the folds where there are folds.

        A seed that lacks a fold is left out: a mean of other folds would not compare.
        """
        scores: dict[int, dict[str, float]] = defaultdict(dict)
        for run in runs:
            score = run.score("test", metric) if run.done else None
            if score is not None:
                scores[run.seed][run.fold] = score
        wanted = {run.fold for run in runs}
        return {seed: mean(list(folds.values())) for seed, folds in scores.items() if set(folds) == wanted}

    def manifests(self, dataset: str) -> list[str]:
        """Hashes of the copies that the finished runs of a data set were trained on: one, or one a fold."""
        return sorted({entry.manifest for entry in self.entries(dataset)} - {""})

    def processes(self, dataset: str) -> list[int]:
        """How many processes trained a finished run of a data set together, as far as that is known."""
        return sorted({entry.processes for entry in self.entries(dataset)} - {0})

    def settings(self, dataset: str) -> dict[str, list[str]]:
        """Every value that the finished runs of a data set have of each setting; the copy is told by its manifest."""
        told = settings_of(self.of(dataset))
        keys = sorted({key for settings in told for key in settings} - {"data.manifest"})
        return {key: sorted({settings.get(key, "unset") for settings in told}) for key in keys}

    def errors(self, dataset: str) -> list[str]:
        """The sentinels that raised errors in finished runs of a data set."""
        return sorted({sentinel for entry in self.entries(dataset) for sentinel in entry.wrong()})

    @cached_property
    def differing(self) -> dict[str, dict[str, list[str]]]:
        """Per data set, the settings in which its finished runs disagree, and the runs that it has twice.

        Such runs never pair.
        """
        found = {dataset: dict(settings) for dataset, settings in self._disagreeing.items()}
        for (dataset, _), told in self._twice.items():
            for key, value in told.items():
                found[dataset][key] = sorted({*found[dataset].get(key, ()), value})
        return found

    @cached_property
    def _disagreeing(self) -> dict[str, dict[str, list[str]]]:
        return {dataset: self._disagreement(dataset) for dataset in self.datasets}

    @cached_property
    def _twice(self) -> dict[tuple[str, str], dict[str, str]]:
        """By data set and run id, what tells the runs of a method apart that has two of one fold, seed and settings."""
        lines: dict[tuple[str, Levels], dict[Run, str]] = defaultdict(dict)
        for run in self.done:
            lines[run.dataset, run.levels][run] = f"{run.method} {run.fold} {run.seed} {self._settled(run)}"
        return {(run.dataset, run.run_id): told for line in lines.values() for run, told in _told_apart(line).items()}

    def _disagreement(self, dataset: str) -> dict[str, list[str]]:
        """Folds hold other clips, so runs are only held against those of their own fold."""
        found: dict[str, set[str]] = defaultdict(set)
        for fold in self.folds(dataset) or [""]:
            for key, values in _differing([run for run in self.of(dataset) if run.fold == fold]).items():
                found[key].update(values)
        return {key: sorted(values) for key, values in found.items()}

    def variant(self, run: Run) -> str:
        """The run's values of the settings in which its data set's runs disagree; mostly empty."""
        told = self._settled(run) | self._twice.get((run.dataset, run.run_id), {})
        return ", ".join(f"{key}={value}" for key, value in told.items())

    def _settled(self, run: Run) -> dict[str, str]:
        keys = self._disagreeing[run.dataset] if run.entry else ()
        return {key: run.settings.get(key, "unset") for key in keys}


def _told_apart(line: Mapping[Run, str]) -> dict[Run, dict[str, str]]:
    """Of a method's runs, each with its place: nothing unless two share one.

    A method's text leaves out what is at its default, so that another default is seen in the specs alone. Runs that
    share a place and are alike in those too are told apart by their ids.
    """
    if len(set(line.values())) == len(line):
        return {}
    settings = {run: _components(run.folder) for run in line}
    keys = sorted({key for told in settings.values() for key in told})
    keys = [key for key in keys if len({told.get(key) for told in settings.values()}) > 1]
    told = {run: {key: settings[run].get(key, "unset") for key in keys} for run in line}
    places = {run: f"{place} {told[run]}" for run, place in line.items()}
    counts = Counter(places.values())
    return {run: told[run] | ({"run": run.run_id} if counts[place] > 1 else {}) for run, place in places.items()}


def _components(folder: Path) -> dict[str, str]:
    """The settings of a run's components, flat; none where its spec can't be read any more."""
    try:
        parts = read_json(folder / "spec.json").get("components", {})
    except (OSError, Damaged):
        return {}
    return {f"{name}.{key}": _spell(value) for name, settings in parts.items() for key, value in settings.items()}


def _differing(runs: Sequence[Run]) -> dict[str, list[str]]:
    told = settings_of(runs)
    keys = sorted({key for settings in told for key in settings})
    values = {key: {settings.get(key, "unset") for settings in told} for key in keys}
    for key, found in values.items():
        if key.startswith(_PLUGIN):  # a method without it is no other version of it
            found.discard("unset")
    return {key: sorted(found) for key, found in values.items() if len(found) > 1}


def settings_of(runs: Iterable[Run]) -> list[dict[str, str]]:
    """The settings of stored runs, those that many share only once."""
    return [_settings(*shared) for shared in dict.fromkeys((r.entry.setup, r.entry.manifest) for r in runs if r.entry)]


def _spell(value: Any) -> str:
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else spell(value)
