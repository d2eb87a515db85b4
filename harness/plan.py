"""From a grid to runs: data sets opened, every run's spec resolved and addressed, its state read from the store.

A run's id is a hash of everything that determines its numbers (protocol version, data fingerprint, method with
all settings, seed, shared settings, weights) and of nothing else: moving the data or the weights does not
make another run, changing a pixel or a rate does.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import statistics
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock
from tabulate import tabulate

from harness import miniature, plugins, protocol, weights
from harness.clips import Scan
from harness.datasets import Adapter, folds_of
from harness.errors import BadInput
from harness.grammar import Method
from harness.grid import Grid
from harness.scan import scan
from harness.settings import given
from harness.store import Record, Store


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

    def todo(self, store: Store) -> list[Run]:
        """The wanted runs that are not done."""
        return [run for run in self.runs if run.wanted and status(store, run) != "done"]


def plan(grid: Grid) -> Plan:
    """Opens the grid's data sets and resolves its runs, copy by copy, method by method."""
    copies = [copy for name in grid.datasets for copy in _open(name, grid)]
    runs = []
    for copy in copies:
        name, fold = copy.adapter.name, getattr(copy.adapter.settings, "fold", "")
        for arm in grid.arms:
            for seed in grid.seeds:
                spec = _spec(grid, copy, arm.method, seed)
                wanted = grid.wants(name, arm.method, seed)
                runs.append(Run(_run_id(spec), name, fold, copy.name, arm.method, seed, arm.levels, spec, wanted))
    return Plan(grid, {copy.name: copy for copy in copies}, tuple(runs))


def _open(dataset: str, grid: Grid) -> Iterator[Copy]:
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

    folder = weights.cache_folder() / "miniatures"
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / "lock"):
        return miniature.ensure(folder, limit=limit or None, progress=progress)


def status(store: Store, run: Run) -> str:
    """`done`, `partial` (begun, cut off or under way) or `todo` (a failed run is to be done again)."""
    record = store.record(run.dataset, run.run_id)
    if record is None or record.result.get("status") == "failed":
        return "partial" if store.leased(run.dataset, run.run_id) else "todo"
    return "done" if record.done else "partial"


def as_json(plan: Plan, store: Store, command: str) -> dict[str, Any]:
    """What `harness plan --json` prints and what the store keeps for the leaderboard; `command` trains it all."""
    records = list(store.records()) if store.root.exists() else []
    seconds = _typical_seconds(records)
    rows = []
    for run in plan.runs:
        state = status(store, run)
        rows.append(
            {
                "run_id": run.run_id,
                "dataset": run.dataset,
                "fold": run.fold,
                "method": str(run.method),
                "seed": run.seed,
                "status": state,
                "eta_s": 0.0 if state == "done" else seconds.get(run.dataset),
                "levels": run.levels,
            }
        )
    return {
        "grid": plan.grid.name,
        "command": command,
        "runs": rows,
        "factors": [{"name": name, "levels": list(levels)} for name, levels in plan.grid.factors.items()],
        "dropped": list(plan.grid.dropped),
        "baseline": str(plan.grid.arms[0].method) if plan.grid.factors else "",
        "miniatures": sorted({copy.adapter.name for copy in plan.copies.values() if copy.miniature}),
        "selection": plan.grid.sections["train"].selection,
    }


def _typical_seconds(records: list[Record]) -> dict[str, float]:
    """Median duration of the stored runs of each data set: the only honest guess there is."""
    durations: dict[str, list[float]] = {}
    for record in records:
        if record.done:
            durations.setdefault(record.spec["dataset"], []).append(record.result["duration_s"])
    return {name: round(statistics.median(values), 1) for name, values in durations.items()}


def _spec(grid: Grid, copy: Copy, method: Method, seed: int) -> dict[str, Any]:
    name = copy.adapter.name
    groups = {key: dataclasses.asdict(settings) for key, settings in grid.sections.items()}
    groups["face"] = dataclasses.asdict(copy.face)
    groups["model"]["weights"] = weights.name_of(grid.sections["model"])
    data = dataclasses.asdict(copy.adapter.settings)
    place = Path(os.path.expanduser(data["root"]))  # as told: a data set of the hub has a name and no folder
    data["root"] = "" if copy.miniature else str(place.resolve()) if place.is_dir() else data["root"]
    return {
        "protocol": protocol.VERSION,
        "dataset": name,
        "method": str(method),
        "components": method.resolved(),
        "seed": seed,
        "plugins": _from_outside(name, method),
        "data": {**data, "fingerprint": copy.scan.fingerprint, "miniature": copy.miniature},
        "sentinels": {name: given(settings) for name, settings in grid.sentinels.items()},
        **groups,
    }


def _from_outside(dataset: str, method: Method) -> dict[str, dict[str, str]]:
    """Where the run's plugins from outside lie and the hash of their code: an edited loss is another run."""
    used = [("datasets", dataset), *(("methods", component) for component in method.names)]
    found = {name: plugins.source(kind, name) for kind, name in used}
    return {name: facts for name, facts in found.items() if facts}


def _run_id(spec: Mapping[str, Any]) -> str:
    """`<component names>-s<seed>-<hash>`: a name for people, an address for programs."""
    decides = json.loads(json.dumps(spec))
    for where in ("root", "annotations", "faces", "bodies", "miniature"):
        decides["data"].pop(where, None)
    decides["model"].pop("pretrained")
    decides["plugins"] = {name: facts["hash"] for name, facts in decides["plugins"].items()}
    if not decides["plugins"]:
        del decides["plugins"]
    decides.pop("sentinels")  # they watch and change nothing
    decides.pop("method")  # the components say the same with every default written out
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:10]
    return f"{'-'.join(spec['components']) or 'plain'}-s{spec['seed']}-{digest}"


def as_text(planned: Mapping[str, Any]) -> str:
    """What `harness plan` prints for people."""
    by_set: dict[str, list[dict[str, Any]]] = {}
    for row in planned["runs"]:
        by_set.setdefault(row["dataset"], []).append(row)
    table = [
        [
            name + (" (miniature)" if name in planned["miniatures"] else ""),
            len(rows),
            *(sum(row["status"] == state for row in rows) for state in ("done", "partial", "todo")),
            _duration([row["eta_s"] for row in rows]),
        ]
        for name, rows in by_set.items()
    ]
    lines = [f"grid {planned['grid']}: {len(planned['runs'])} runs", ""]
    lines.append(tabulate(table, ["data set", "runs", "done", "partial", "to do", "time left, one worker"]))
    lines += ["", "methods:", *(f"  {method}" for method in dict.fromkeys(row["method"] for row in planned["runs"]))]
    if planned["dropped"]:
        lines += ["", "dropped combinations:", *(f"  {d['method']}: {d['why']}" for d in planned["dropped"])]
    return "\n".join(lines)


def _duration(seconds: list[float | None]) -> str:
    known = [value for value in seconds if value is not None]
    if len(known) < len(seconds):
        return "unknown until a run is done"
    return f"{sum(known) / 60:.1f} min" if sum(known) >= 60 else f"{sum(known):.0f} s"
