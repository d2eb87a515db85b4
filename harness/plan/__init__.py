"""From a grid to runs: data sets opened, every run's spec resolved and addressed, its state read from the store.

What makes a run another one is said by its address (`address`), how long it takes by stored ones (`pace`).
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock

from harness import miniature, plugins, protocol
from harness.data import cupboard, media, usage
from harness.data.clips import Scan
from harness.data.scan import scan
from harness.datasets import Adapter, folds_of
from harness.errors import BadInput
from harness.grid import Grid
from harness.grid.grammar import Method
from harness.model import architectures, weights
from harness.plan import address, pace
from harness.settings import given
from harness.store import Store, index
from harness.store.index import Entry


@dataclass(frozen=True)
class Copy:
    """A data set, or one of its folds, as a grid uses it: its adapter and what reading it found."""

    name: str  # the data set's, and the fold: "dfew fold 1"
    adapter: Adapter
    face: protocol.Face  # resolved for this data set
    scan: Scan
    miniature: bool


@dataclass(frozen=True)
class Run:
    """One unit of work, fully resolved."""

    run_id: str
    dataset: str
    fold: str  # "" where the data set has no folds
    copy: str  # the name of the copy it trains on
    method: Method
    seed: int
    levels: dict[str, int]
    spec: dict[str, Any] = field(repr=False)
    wanted: bool = True


@dataclass(frozen=True)
class Plan:
    """All runs of a grid over opened data sets."""

    grid: Grid
    copies: dict[str, Copy]
    runs: tuple[Run, ...]

    @property
    def wanted_copies(self) -> dict[str, Copy]:
        """Those that a wanted run trains on."""
        wanted = {run.copy for run in self.runs if run.wanted}
        return {name: copy for name, copy in self.copies.items() if name in wanted}

    @property
    def doubts(self) -> dict[str, str]:
        """What may be misspelt in components from outside, by their names."""
        names = dict.fromkeys(name for run in self.runs if run.wanted for name in run.method.names)
        outside = (name for name in names if plugins.source("methods", name))
        return {name: doubt for name in outside if (doubt := plugins.get("methods", name).doubt())}

    def todo(self, store: Store) -> list[Run]:
        """The wanted runs that are not done."""
        done = {place for place, entry in index.entries(store).items() if entry.done}
        return [run for run in self.runs if run.wanted and (run.dataset, run.run_id) not in done]


def plan(grid: Grid) -> Plan:
    """Opens the grid's data sets and resolves its runs, copy by copy, method by method."""
    architectures.shape(grid.sections["model"].name)  # a model that there is not is met before anything is read
    copies = [copy for name in grid.datasets for copy in _open(name, grid)]
    runs = [run for copy in copies for run in _runs(grid, copy)]
    return Plan(grid, {copy.name: copy for copy in copies}, tuple(runs))


def _runs(grid: Grid, copy: Copy) -> Iterator[Run]:
    """The copy's runs; what many of them share in their specs is one object, so that a large grid stays small."""
    name, fold = copy.adapter.name, getattr(copy.adapter.settings, "fold", "")
    shared = _shared(grid, copy)
    for arm in grid.arms:
        made = {
            "method": str(arm.method),
            "components": arm.method.resolved(),
            "plugins": _from_outside(name, arm.method),
        }
        common = {**shared, **made}
        decides = address.decisive(common)
        for seed in grid.seeds:
            wanted = grid.wants(name, arm.method, seed)
            run_id = address.run_id(arm.method.names, seed, {**decides, "seed": seed})
            yield Run(run_id, name, fold, copy.name, arm.method, seed, arm.levels, {**common, "seed": seed}, wanted)


def _open(dataset: str, grid: Grid) -> Iterator[Copy]:
    media.forget()
    for name, settings in folds_of(plugins.get("datasets", dataset), grid.data[dataset]):
        yield open_copy(dataset, settings, grid.sections, name)


def open_copy(dataset: str, settings: Any, sections: Mapping[str, Any], name: str = "") -> Copy:
    """Reads the copy below the settings' root, or renders and reads the miniature where no root is given."""
    cls, small = plugins.get("datasets", dataset), not settings.root
    if small:
        root = _miniature(sections["train"].limit) / cls.folder
        if not (cls.folder and root.is_dir()):
            mend = f"set data.{dataset}.root to your copy (there is no miniature of it)"
            raise BadInput(f"data.{dataset}.root", "is not set", mend)
    else:
        root = cls.locate(settings)
    adapter = cls(settings, root)
    face = cls.faced(sections["face"])
    found = scan(adapter, sections["train"], face, sections["clips"])
    if not any(clip.split == "test" for clip in found.clips):
        what = f"this copy of {dataset} has no test clips"
        raise BadInput(str(root), what, "complete the copy: nothing could be reported")
    adapter.descriptions()  # a class without a sentence is met now, not after the trunk has seen every clip
    return Copy(name or dataset, adapter, face, found, small)


def _miniature(limit: int) -> Path:
    """The rendered miniatures, with at most `limit` clips a class and split (0: all), rendered on first use."""

    def progress(done: int, total: int) -> None:
        if done in (1, total):
            print(f"rendering miniatures: {done} of {total} clips", file=sys.stderr, flush=True)

    folder = cupboard.home(cupboard.MINIATURES)
    with filelock.FileLock(folder / "lock"):
        rendered = miniature.ensure(folder, limit=limit or None, progress=progress)
        usage.use(rendered)
    return rendered


def trains_on(model: protocol.Model, method: Method) -> str:
    """What a method trains on: features of a frozen trunk, or frames where something must see pixels."""
    return pace.material(model.trunk, method)


def states(runs: Iterable[Run], entries: Mapping[tuple[str, str], Entry], store: Store) -> dict[str, str]:
    """By run id: `done`, `partial` (begun, cut off or under way) or `todo` (a failed run is to be done again)."""
    return {run.run_id: _state(entries.get((run.dataset, run.run_id)), run, store) for run in runs}


def _state(entry: Entry | None, run: Run, store: Store) -> str:
    if entry is None or entry.status == "failed":
        return "partial" if store.leased(run.dataset, run.run_id) else "todo"
    return "done" if entry.done else "partial"


def as_json(plan: Plan, store: Store, command: str) -> dict[str, Any]:
    """What `harness plan --json` prints and what the store keeps for the leaderboard; `command` trains it all."""
    entries = index.entries(store)
    typical, found = pace.Pace(entries.values()), states(plan.runs, entries, store)
    kinds = {(run.copy, run.spec["method"]): run for run in plan.runs}  # of which all seeds take as long
    seconds = {kind: typical.seconds(run.dataset, run.spec) for kind, run in kinds.items()}
    rows = []
    for run in plan.runs:
        state = found[run.run_id]
        rows.append(
            {
                "run_id": run.run_id,
                "dataset": run.dataset,
                "fold": run.fold,
                "method": run.spec["method"],
                "seed": run.seed,
                "status": state,
                "eta_s": 0.0 if state == "done" else seconds[run.copy, run.spec["method"]],
                "levels": run.levels,
            }
        )
    return {
        "grid": plan.grid.name,
        "command": command,
        "runs": rows,
        "factors": [{"name": name, "levels": list(levels)} for name, levels in plan.grid.factors.items()],
        "design": plan.grid.design,
        "dropped": list(plan.grid.dropped),
        "baseline": _baseline(plan.grid),
        "miniatures": sorted({copy.adapter.name for copy in plan.copies.values() if copy.miniature}),
        "selection": plan.grid.sections["train"].selection,
        "doubts": plan.doubts,
        "outdated": address.outdated(
            (run for run in plan.runs if run.wanted and found[run.run_id] != "done"), entries.values()
        ),
    }


def _baseline(grid: Grid) -> str:
    """The method of the first levels; none where the grid has no factors, or a design without that combination."""
    return next((str(arm.method) for arm in grid.arms if arm.levels and not any(arm.levels.values())), "")


def _shared(grid: Grid, copy: Copy) -> dict[str, Any]:
    """What the specs of all runs on a copy have in common."""
    groups = {key: dataclasses.asdict(settings) for key, settings in grid.sections.items()}
    groups["face"] = dataclasses.asdict(copy.face)
    groups["model"]["weights"] = weights.name_of(grid.sections["model"])
    data = dataclasses.asdict(copy.adapter.settings)
    place = Path(os.path.expanduser(data["root"]))  # as told: a data set of the hub has a name and no folder
    data["root"] = "" if copy.miniature else str(place.resolve()) if place.is_dir() else data["root"]
    return {
        "protocol": protocol.VERSION,
        "dataset": copy.adapter.name,
        "data": {**data, "fingerprint": copy.scan.fingerprint, "miniature": copy.miniature},
        "sentinels": {name: given(settings) for name, settings in grid.sentinels.items()},
        **groups,
    }


def _from_outside(dataset: str, method: Method) -> dict[str, dict[str, str]]:
    """Where the run's plugins from outside lie and the hash of their code: an edited loss is another run."""
    components = {name: facts for name in method.names if (facts := plugins.source("methods", name))}
    adapter = plugins.source("datasets", dataset)
    if adapter and dataset in components:
        what = "names both a data set and a component from outside, and a run tells its plugins apart by name"
        raise BadInput(dataset, what, "rename one of them")
    return {**({dataset: adapter} if adapter else {}), **components}
