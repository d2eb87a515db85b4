"""The board of a planned grid, or of all stored runs, from one store or several; and its scores as tidy rows.

Only stores are read; states come from stored results and not from the plan, which is as old as the last `harness run`.
Several machines that shared a grid have a store each: their plans are united, and each run is taken from where it is
done. Without a plan every component that some runs have and others lack is a factor.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from harness.errors import BadInput
from harness.grid import grammar
from harness.leaderboard.board import SCORES, Board, Factor, Run
from harness.leaderboard.sheets import number
from harness.settings import spell
from harness.store import Store, index
from harness.store.index import Entry, unpacked
from harness.words import plural

_ALL_RUNS = "harness report --runs /path/to/runs --out leaderboards/all"  # where stores lie is not told
_SHARED = ("factors", "design", "until", "baseline", "selection")  # what plans of one grid must agree in


def load(stores: Sequence[Store], grid: str | None) -> Board:
    """The board of a planned grid, or of all runs. Raises `BadInput` where nothing can be shown."""
    plan = _united(stores, grid) if grid else None
    found = _found(stores)
    board = _from_plan(stores[0], found, plan) if plan else _from_stores(found)
    where = ", ".join(str(store.root) for store in stores)
    if not board.runs:
        raise BadInput(where, "holds no runs", "train some: harness run")
    if not board.done:
        why = next((": " + run.entry.error for run in board.runs if run.entry and run.failed), "")
        mend = "train them: harness run" if not why else "mend that, then harness run trains them again"
        raise BadInput(where, f"none of {plural(len(board.runs), 'run')} is done{why}", mend)
    return board


def of_plan(store: Store, plan: Mapping[str, Any]) -> Board:
    """The board of a plan at hand, whatever is done of it."""
    return _from_plan(store, _found([store]), plan)


def tidy(board: Board) -> Iterator[list[str]]:
    """Header and rows of results.csv: one score a row, each with the run that it comes from.

    Runs of folds, or of several variants of the settings, are told apart by a last column.
    """
    factors = [factor.name for factor in board.factors]
    folded, varied = any(run.fold for run in board.done), any(map(board.variant, board.done))
    more = [*["fold"] * folded, *["variant"] * varied]
    yield ["run_id", "dataset", "method", *factors, "seed", "split", "metric", "value", *more]
    for run in board.done:
        place = [run.run_id, run.dataset, run.method, *map(str, run.levels), str(run.seed)]
        last = [*[run.fold] * folded, *[board.variant(run)] * varied]
        for split, metric in SCORES:
            if (score := run.score(split, metric)) is not None:
                yield [*place, split, metric, number(score), *last]


# ── stores ──────────────────────────────────────────────────────────────────────────────────────────────────


class _Stored(NamedTuple):
    """A run of some store, and whether another one holds other results of it."""

    entry: Entry
    store: Store
    disputed: bool


def _found(stores: Sequence[Store]) -> dict[tuple[str, str], _Stored]:
    """Every stored run, from the first store that has it done; where none has, from the first that tells most."""
    found: dict[tuple[str, str], _Stored] = {}
    for store in stores:
        for place, entry in index.entries(store).items():
            known = found.get(place)
            if known is None or _told(entry) > _told(known.entry):
                found[place] = _Stored(entry, store, False)
            elif entry.done and known.entry.scores != entry.scores:
                found[place] = known._replace(disputed=True)
    return found


def _told(entry: Entry) -> int:
    return 2 if entry.done else int(entry.status == "failed")


def _united(stores: Sequence[Store], grid: str) -> Mapping[str, Any]:
    """The grid's plan, with the runs of all stores that have one. Raises `BadInput` where those are of other grids."""
    having = [store for store in stores if (store.root / "plans" / f"{grid}.json").exists()] or list(stores[:1])
    first, *others = [(store, store.read_plan(grid)) for store in having]
    plan = dict(first[1])
    for store, other in others:
        differing = [key for key in _SHARED if other.get(key) != plan.get(key)]
        if differing:
            what = f"its plan of {grid!r} has other {', '.join(differing)} than that of {first[0].root}"
            raise BadInput(str(store.root), what, "report them apart, or plan one grid file in both: harness plan")
        known = {(row["dataset"], row["run_id"]) for row in plan["runs"]}
        plan["runs"] = plan["runs"] + [row for row in other["runs"] if (row["dataset"], row["run_id"]) not in known]
        for key in ("dropped", "miniatures"):
            plan[key] = plan.get(key, []) + [row for row in other.get(key, []) if row not in plan.get(key, [])]
    return plan


# ── boards ──────────────────────────────────────────────────────────────────────────────────────────────────


def _from_plan(first: Store, found: Mapping[tuple[str, str], _Stored], plan: Mapping[str, Any]) -> Board:
    name, rows = plan["grid"], plan["runs"]
    factors = tuple(Factor(f["name"], tuple(f["levels"])) for f in plan["factors"])
    runs, disputed = [], []
    for row in rows:
        levels = tuple(int(row["levels"].get(factor.name, 0)) for factor in factors)
        stored = found.get((row["dataset"], row["run_id"]))
        folder = (stored.store if stored else first).folder(row["dataset"], row["run_id"])
        told = (row["run_id"], row["dataset"], row["method"], row["seed"], levels)
        runs.append(Run(*told, stored.entry if stored else None, folder, row.get("fold", "")))
        disputed += [row["run_id"]] if stored and stored.disputed else []
    baseline = plan.get("baseline", "")
    if not factors:
        factors, runs, baseline = _by_components(runs)
    return Board(
        title=plan.get("title") or f"Grid {name}",
        grid=name,
        factors=factors,
        runs=_sorted(runs, [row["dataset"] for row in rows]),
        baseline=baseline,
        dropped=tuple(plan.get("dropped", ())),
        miniatures=_miniatures(runs) | frozenset(plan.get("miniatures", ())),
        command=plan.get("command") or f"harness run --grid grids/{name}.toml",
        seeds=tuple(dict.fromkeys(row["seed"] for row in rows)),
        design=plan.get("design"),
        until=plan.get("until"),
        disputed=tuple(sorted(disputed)),
    )


def _from_stores(found: Mapping[tuple[str, str], _Stored]) -> Board:
    runs = [
        Run(e.run_id, e.dataset, e.method, e.seed, (), e, store.folder(e.dataset, e.run_id), _fold(e))
        for e, store, _ in found.values()
    ]
    runs.sort(key=lambda run: _natural(run.method))
    factors, runs, baseline = _by_components(runs)
    return Board(
        title="All stored runs",
        grid=None,
        factors=factors,
        runs=_sorted(runs, sorted({run.dataset for run in runs})),
        baseline=baseline,
        dropped=(),
        miniatures=_miniatures(runs),
        command=_ALL_RUNS,
        seeds=tuple(sorted({run.seed for run in runs})),
        disputed=tuple(sorted(run_id for (_, run_id), stored in found.items() if stored.disputed)),
    )


def _fold(entry: Entry) -> str:
    return unpacked(entry.setup).get("data", {}).get("fold", "")


def _by_components(runs: Sequence[Run]) -> tuple[tuple[Factor, ...], list[Run], str]:
    """Factors for runs that no design describes: each component that is not the same in all of them.

    A component with different settings is a factor of several levels, so runs at the same levels are of the
    same method. Level 0 is to be without it; else levels come in the order in which the runs have them.
    """
    written = {method: _components(method) for method in dict.fromkeys(run.method for run in runs)}
    names = sorted({name for parts in written.values() for name in parts})
    spelled = {
        name: sorted(dict.fromkeys(parts.get(name, "") for parts in written.values()), key=bool) for name in names
    }
    factors = tuple(Factor(name, tuple(texts)) for name, texts in spelled.items() if len(texts) > 1)
    common = "+".join(texts[0] for texts in spelled.values() if len(texts) == 1)
    levels = {
        method: tuple(factor.levels.index(parts.get(factor.name, "")) for factor in factors)
        for method, parts in written.items()
    }
    return factors, [replace(run, levels=levels[run.method]) for run in runs], common


def _natural(text: str) -> list[tuple[float, str]]:
    """A key that sorts texts as people do: 2.0 before 10.0."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return [(float(part), "") if place % 2 else (0.0, part) for place, part in enumerate(parts)]


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
