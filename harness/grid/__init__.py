"""A grid file, read and checked: data sets, seeds, factors, and the settings that its runs share.

Factors make a designed experiment: combinations of their levels on top of the baseline are methods, and which of them
is the design's to say (`harness.grid.design`). Combinations that can't work together are dropped with the reason, never
without a word. What a grid does not know is data on disk: fingerprints and run ids are the plan's (`harness.plan`).
"""

from __future__ import annotations

import dataclasses
import itertools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import config, plugins, protocol, shipped
from harness.errors import BadInput, nearest
from harness.grid import design, grammar, presets
from harness.grid.grammar import Incompatible, Method
from harness.grid.overrides import check_felt, override, renamed
from harness.settings import parse
from harness.slurm import Slurm

MOST_SEED = 2**32 - 1  # what every random number generator takes
TINY = {"train": {"epochs": 1, "limit": 4, "batch_size": 8}, "clips": {"frames": 4, "views": 1}}


@dataclass(frozen=True)
class Arm:
    """One method of a grid and the level of each factor (0: the first) that it stands for."""

    method: Method
    levels: dict[str, int]


@dataclass(frozen=True)
class Grid:
    """A checked grid. `sections` holds the settings of `protocol.GROUPS`, `data` those of each data set,
    `sentinels` those of the sentinels that were told something.

    `origins` say where the root of each data set comes from (`config.origin`; empty: nowhere, it is the miniature's),
    `published` names the preset that a setting of the sections comes from (by `train.epochs`), `defaults` are the
    settings of components that the file's sections and `--set` give to all methods; `design` is what the plan stores of
    how levels were combined (`harness.grid.design.as_json`).
    """

    name: str
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    arms: tuple[Arm, ...]
    factors: dict[str, tuple[str, ...]]
    dropped: tuple[dict[str, str], ...]
    design: dict[str, Any]
    sections: dict[str, Any]
    data: dict[str, Any]
    origins: dict[str, str]
    published: dict[str, str]
    sentinels: dict[str, Any]
    defaults: dict[str, Any]
    slurm: Slurm = field(default_factory=Slurm)
    selected: frozenset[tuple[str, str, int]] | None = field(default=None)

    def select(self, datasets: Sequence[str], methods: Sequence[str], seeds: Sequence[int]) -> Grid:
        """The same grid with only some of its runs to train; an empty selector selects everything."""
        texts = [str(grammar.resolve(method, self.defaults)) for method in methods]
        known_methods = [str(arm.method) for arm in self.arms]
        for what, asked, known in (
            ("--datasets", datasets, self.datasets),
            ("--methods", texts, known_methods),
            ("--seeds", seeds, self.seeds),
        ):
            for value in asked:
                if value not in known:
                    mend = nearest(str(value), map(str, known))
                    raise BadInput(what, f"{value!r} is not in the grid {self.name!r}", mend)
        chosen = itertools.product(datasets or self.datasets, texts or known_methods, seeds or self.seeds)
        return dataclasses.replace(self, selected=frozenset(chosen))

    def wants(self, dataset: str, method: Method, seed: int) -> bool:
        return self.selected is None or (dataset, str(method), seed) in self.selected


def load(path: str, overrides: Sequence[str] = (), *, tiny: bool = False) -> Grid:
    """The grid of a TOML file, with `--set` overrides and, for a smoke test, tiny settings on top."""
    file = Path(shipped.found(path))
    if not file.is_file():
        raise BadInput(path, "no such grid file", f"give a .toml file; {shipped.found(shipped.GRID)} is an example")
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadInput(path, f"can't be read: {error.strerror}", "check the file and its rights") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(path, f"is not TOML: {error}", "mend the line that it names") from error
    grid = build(file.stem, raw, overrides, tiny=tiny)
    return dataclasses.replace(grid, seeds=grid.seeds[:1]) if tiny else grid


def build(name: str, raw: Mapping[str, Any], overrides: Sequence[str] = (), *, tiny: bool = False) -> Grid:
    """The checked grid behind the tables of a TOML file, or of the command line's selectors."""
    _check_keys(raw, name)
    named = list(dict.fromkeys(_presets(raw)))
    published = presets.sections_of(named)
    sections = {group: {**published.get(group, {}), **_table(raw, group, name)} for group in protocol.GROUPS}
    data = {key: dict(_table(raw["data"], key, f"{name}: data")) for key in _table(raw, "data", name)}
    watched = {key: dict(_table(raw["sentinels"], key, f"{name}: sentinels")) for key in _table(raw, "sentinels", name)}
    known = plugins.names("methods")
    components = {key: dict(_table(raw, key, name)) for key in raw if key in known}
    jobs = dict(_table(raw, "slurm", name))
    changed = override(overrides, {**sections, "slurm": jobs}, {"data": data, "sentinels": watched}, components)
    small = TINY if tiny else {}
    for group, values in small.items():
        sections[group].update({key: v for key, v in values.items() if f"{group}.{key}" not in changed})
    own = {f"{group}.{key}" for told in (raw, small) for group in sections for key in told.get(group, {})} | set(
        changed
    )
    datasets, seeds = _names(raw, "datasets", name), _seeds(raw, name)
    user = config.load()
    placed = config.completed(data, datasets, user)
    chosen = _design(raw, name)
    factors = {key: _levels(key, value) for key, value in _table(raw, "factors", name).items()}
    methods = _Methods(raw.get("baseline", ""), factors, components, name)
    layout = design.lay(chosen, {factor: len(levels) for factor, levels in factors.items()}, methods.why_not)
    _check_fraction(layout, methods)
    arms, dropped = _arms(layout, methods, name) if layout.cells else _listed(raw, name, components)
    check_felt(changed, datasets, [arm.method for arm in arms], components)
    return Grid(
        name=renamed(name, changed, tiny),
        datasets=tuple(datasets),
        seeds=tuple(seeds),
        arms=tuple(arms),
        factors=factors,
        dropped=tuple(dropped),
        design=design.as_json(layout),
        sections={group: parse(cls, sections[group], group) for group, cls in protocol.GROUPS.items()},
        data={key: _data_settings(key, placed[key]) for key in dict.fromkeys([*datasets, *data])},
        origins={key: config.origin(key, data, changed, user) for key in datasets},
        published={key: preset for key, preset in presets.origins(named).items() if key not in own},
        sentinels={key: _sentinel_settings(key, values) for key, values in watched.items()},
        defaults=components,
        slurm=parse(Slurm, jobs, "slurm"),
    )


def _presets(raw: Mapping[str, Any]) -> Iterator[str]:
    """The presets named in any method string of the grid."""
    factors = raw.get("factors", {})
    levels = factors.values() if isinstance(factors, Mapping) else ()
    for text in (raw.get("baseline"), raw.get("methods"), *levels):
        for word in text if isinstance(text, list) else [text]:
            yield from grammar.presets_in(word) if isinstance(word, str) else ()


def _listed(raw: Mapping[str, Any], name: str, defaults: Mapping[str, Any]) -> tuple[list[Arm], list[dict[str, str]]]:
    """The methods that a grid names, without duplicates, and those that come out as one before them."""
    arms: dict[str, Arm] = {}
    dropped = []
    for text in _names(raw, "methods", name):
        method = grammar.resolve(text, defaults)
        if str(method) in arms:
            dropped.append({"method": text, "why": f"the same method as another that is listed: {method}"})
        else:
            arms[str(method)] = Arm(method, {})
    return list(arms.values()), dropped


def _arms(layout: design.Layout, methods: _Methods, name: str) -> tuple[list[Arm], list[dict[str, str]]]:
    """The methods of a design's combinations, without duplicates, and what of them is dropped with the reason."""
    arms: dict[str, Arm] = {}
    dropped = []
    for cell in layout.cells:
        method, text = methods.of(cell), methods.text(cell)
        if isinstance(method, Incompatible):
            dropped.append({"method": text, "why": method.what})
        elif str(method) not in arms:
            arms[str(method)] = Arm(method, dict(zip(layout.factors, cell, strict=True)))
        else:
            dropped.append({"method": text, "why": f"the same method as another combination: {method}"})
    if not arms:
        raise BadInput(name, "no combination of its factors can be trained", "see the reasons: " + str(dropped[:3]))
    return list(arms.values()), dropped


def _check_fraction(layout: design.Layout, methods: _Methods) -> None:
    """Elsewhere a factor whose levels mean the same gives combinations twice, and they are dropped with the reason. A
    fraction has no two that differ in one factor only, and would call something else that factor's effect."""
    for factor in layout.fraction:
        alone = tuple(int(name == factor) for name in layout.factors)
        if methods.of(alone) == methods.of((0,) * len(alone)):
            raise BadInput(f"factors.{factor}", "both levels are the same method", "give it two that differ")


class _Methods:
    """The method of each combination of levels, resolved once."""

    def __init__(self, baseline: Any, factors: Mapping[str, tuple[str, ...]], defaults: Mapping[str, Any], name: str):
        if not isinstance(baseline, str):
            raise BadInput(f"{name}: baseline", f"{baseline!r} is not a method", 'write baseline = "prompt"')
        self._baseline, self._levels, self._defaults = baseline, list(factors.values()), defaults
        self._known: dict[design.Levels, Method | Incompatible] = {}

    def text(self, cell: design.Levels) -> str:
        pieces = [self._baseline, *(levels[level] for levels, level in zip(self._levels, cell, strict=True))]
        return "+".join(filter(None, pieces)) or grammar.PLAIN

    def of(self, cell: design.Levels) -> Method | Incompatible:
        if cell not in self._known:
            try:
                self._known[cell] = grammar.resolve(self.text(cell), self._defaults)
            except Incompatible as error:
                self._known[cell] = error
        return self._known[cell]

    def why_not(self, cell: design.Levels) -> str:
        """The reason why the combination can't be trained; empty where it can."""
        found = self.of(cell)
        return found.what if isinstance(found, Incompatible) else ""


def _design(raw: Mapping[str, Any], name: str) -> design.Design:
    """How the grid combines levels; a list where it names its methods itself."""
    listed = "methods" in raw
    if listed and ("factors" in raw or "baseline" in raw):
        raise BadInput(name, "has both `methods` and `factors`/`baseline`", "keep one of the two")
    short = {"design": {"kind": raw["design"]}} if isinstance(raw.get("design"), str) else raw
    told = _table(short, "design", name)
    chosen = parse(design.Design, {"kind": "list" if listed else "full", **told}, "design")
    if listed and chosen.kind != "list":
        mend = "write `factors` in the place of `methods`, or leave out the design"
        raise BadInput("design.kind", f"{chosen.kind} combines factors, and this grid names its methods", mend)
    if chosen.kind == "list" and not listed:
        raise BadInput("design.kind", "list takes the methods that are named, and none are", 'write methods = ["…"]')
    if "resolution" in told and chosen.kind != "fractional":
        mend = 'leave it out, or write kind = "fractional"'
        raise BadInput("design.resolution", f"a {chosen.kind} design has no resolution to choose", mend)
    return chosen


def _levels(factor: str, value: Any) -> tuple[str, ...]:
    levels = ["", value] if isinstance(value, str) else value
    if not isinstance(levels, list) or len(levels) < 2 or not all(isinstance(level, str) for level in levels):
        raise BadInput(f"factors.{factor}", f"{value!r} is not a factor", "give a method string or a list of them")
    return tuple(levels)


def _check_keys(raw: Mapping[str, Any], name: str) -> None:
    plain = {"datasets", "seeds", "baseline", "methods", "factors", "design", "data", "sentinels", "slurm"}
    known = plain | set(protocol.GROUPS) | set(plugins.names("methods"))
    for key in raw:
        if key not in known:
            raise BadInput(f"{name}: {key}", "no such key in a grid file", nearest(key, known))


def _table(raw: Mapping[str, Any], key: str, name: str) -> Mapping[str, Any]:
    value = raw.get(key, {})
    if not isinstance(value, Mapping):
        raise BadInput(f"{name}: {key}", f"{value!r} is not a table", f"write a section [{key}]")
    return value


def _names(raw: Mapping[str, Any], key: str, name: str) -> list[str]:
    values = raw.get(key, [])
    if not isinstance(values, list) or not values or not all(isinstance(v, str) for v in values):
        raise BadInput(f"{name}: {key}", f"{values!r} is not a list of names", f'write {key} = ["…"]')
    for value in values if key == "datasets" else ():
        plugins.get("datasets", value)
    return list(dict.fromkeys(values))


def _seeds(raw: Mapping[str, Any], name: str) -> list[int]:
    seeds = raw.get("seeds", [0])
    fine = isinstance(seeds, list) and all(type(seed) is int and 0 <= seed <= MOST_SEED for seed in seeds)
    if not fine or not seeds:
        mend = f"write seeds = [0, 1, 2], each from 0 to {MOST_SEED}"
        raise BadInput(f"{name}: seeds", f"{seeds!r} is not a list of seeds", mend)
    return list(dict.fromkeys(seeds))


def _data_settings(dataset: str, values: Mapping[str, Any]) -> Any:
    return parse(plugins.get("datasets", dataset).Settings, values, f"data.{dataset}")


def _sentinel_settings(sentinel: str, values: Mapping[str, Any]) -> Any:
    return parse(plugins.get("sentinels", sentinel).Settings, values, f"sentinels.{sentinel}")
