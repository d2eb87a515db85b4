"""A grid file, read and checked: data sets, seeds, factors, and the settings that its runs share.

Factors make a designed experiment: every combination of their levels on top of the baseline is a method.
Combinations that can't work together are dropped with the reason, never without a word. What a grid does not
know is data on disk: fingerprints and run ids are the plan's (`harness.plan`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import grammar, plugins, presets, protocol
from harness.errors import BadInput, nearest
from harness.grammar import Incompatible, Method
from harness.settings import Word, knob, literal, parse

DEFAULT = "grids/default.toml"
MOST_METHODS = 4096  # more combinations of levels than this are a mistake, not a grid
MOST_SEED = 2**32 - 1  # what every random number generator takes
TINY = {"train": {"epochs": 1, "limit": 4, "batch_size": 8}, "clips": {"frames": 4, "views": 1}}


@dataclass(frozen=True)
class Design:
    """How factor levels are combined."""

    kind: str = knob("full", "full: every combination of levels", choices=("full",))


@dataclass(frozen=True)
class Arm:
    """One method of a grid and the level of each factor (0: the first) that it stands for."""

    method: Method
    levels: dict[str, int]


@dataclass(frozen=True)
class Grid:
    """A checked grid. `sections` holds the settings of `protocol.GROUPS`, `data` those of each data set,
    `sentinels` those of the sentinels that were told something.

    `defaults` are the settings of components that the file's sections and `--set` give to all methods.
    """

    name: str
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    arms: tuple[Arm, ...]
    factors: dict[str, tuple[str, ...]]
    dropped: tuple[dict[str, str], ...]
    sections: dict[str, Any]
    data: dict[str, Any]
    sentinels: dict[str, Any]
    defaults: dict[str, Any]
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
    file = Path(path)
    if not file.is_file():
        raise BadInput(path, "no such grid file", f"give a .toml file; {DEFAULT} is an example")
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
    published = presets.sections_of(dict.fromkeys(_presets(raw)))
    sections = {group: {**published.get(group, {}), **_table(raw, group, name)} for group in protocol.GROUPS}
    data = {key: dict(_table(raw["data"], key, f"{name}: data")) for key in _table(raw, "data", name)}
    watched = {key: dict(_table(raw["sentinels"], key, f"{name}: sentinels")) for key in _table(raw, "sentinels", name)}
    known = plugins.names("methods")
    components = {key: dict(_table(raw, key, name)) for key in raw if key in known}
    changed = _override(overrides, sections, {"data": data, "sentinels": watched}, components)
    if tiny:
        for group, values in TINY.items():
            sections[group].update({key: v for key, v in values.items() if f"{group}.{key}" not in changed})
    datasets, seeds = _names(raw, "datasets", name), _seeds(raw, name)
    arms, factors, dropped = _arms(raw, name, components)
    _check_overridden(changed, datasets, arms, components)
    parse(Design, _table(raw, "design", name), "design")
    return Grid(
        name=_rename(name, changed, tiny),
        datasets=tuple(datasets),
        seeds=tuple(seeds),
        arms=tuple(arms),
        factors=factors,
        dropped=tuple(dropped),
        sections={group: parse(cls, sections[group], group) for group, cls in protocol.GROUPS.items()},
        data={key: _data_settings(key, data.get(key, {})) for key in dict.fromkeys([*datasets, *data])},
        sentinels={key: _sentinel_settings(key, values) for key, values in watched.items()},
        defaults=components,
    )


def _presets(raw: Mapping[str, Any]) -> Iterator[str]:
    """The presets named in any method string of the grid."""
    factors = raw.get("factors", {})
    levels = factors.values() if isinstance(factors, Mapping) else ()
    for text in (raw.get("baseline"), raw.get("methods"), *levels):
        for word in text if isinstance(text, list) else [text]:
            yield from grammar.presets_in(word) if isinstance(word, str) else ()


def _arms(raw: Mapping[str, Any], name: str, defaults: Mapping[str, Any]) -> tuple[list[Arm], dict, list[dict]]:
    """Every combination of factor levels, without duplicates; the impossible ones with the reason."""
    if "methods" in raw:
        if "factors" in raw or "baseline" in raw:
            raise BadInput(name, "has both `methods` and `factors`/`baseline`", "keep one of the two")
        given = {str(method): method for method in (grammar.resolve(t, defaults) for t in _names(raw, "methods", name))}
        return [Arm(method, {}) for method in given.values()], {}, []
    factors = {key: _levels(key, value) for key, value in _table(raw, "factors", name).items()}
    baseline = raw.get("baseline", "")
    if not isinstance(baseline, str):
        raise BadInput(f"{name}: baseline", f"{baseline!r} is not a method", 'write baseline = "prompt"')
    combinations = math.prod(map(len, factors.values()))
    if combinations > MOST_METHODS:
        raise BadInput(f"{name}: factors", f"make {combinations} methods", f"keep to {MOST_METHODS}: drop some factors")
    arms: dict[str, Arm] = {}
    dropped = []
    for choice in itertools.product(*(range(len(levels)) for levels in factors.values())):
        levels = dict(zip(factors, choice, strict=True))
        pieces = [baseline, *(factors[factor][level] for factor, level in levels.items())]
        text = "+".join(filter(None, pieces)) or grammar.PLAIN
        try:
            method = grammar.resolve(text, defaults)
        except Incompatible as error:
            dropped.append({"method": text, "why": error.what})
            continue
        if str(method) in arms:
            same = f"the same method as another combination: {method}"
            dropped.append({"method": text, "why": same})
            continue
        arms[str(method)] = Arm(method, levels)
    if not arms:
        raise BadInput(name, "no combination of its factors can be trained", "see the reasons: " + str(dropped[:3]))
    return list(arms.values()), factors, dropped


def _levels(factor: str, value: Any) -> tuple[str, ...]:
    levels = ["", value] if isinstance(value, str) else value
    if not isinstance(levels, list) or len(levels) < 2 or not all(isinstance(level, str) for level in levels):
        raise BadInput(f"factors.{factor}", f"{value!r} is not a factor", "give a method string or a list of them")
    return tuple(levels)


def _check_keys(raw: Mapping[str, Any], name: str) -> None:
    plain = {"datasets", "seeds", "baseline", "methods", "factors", "design", "data", "sentinels", *protocol.GROUPS}
    known = plain | set(plugins.names("methods"))
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


def _override(overrides: Sequence[str], sections: dict, named: dict, components: dict) -> dict[str, Any]:
    """Applies `--set key=value` in place and returns what was set."""
    changed: dict[str, Any] = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        parts = key.strip().split(".")
        if not equals or len(parts) < 2:
            raise BadInput(f"--set {text}", "can't be read", "write it like --set train.epochs=5")
        if parts[0] in named and len(parts) == 3:
            place = named[parts[0]].setdefault(parts[1], {})
        elif parts[0] in sections and len(parts) == 2:
            place = sections[parts[0]]
        elif parts[0] in plugins.names("methods") and len(parts) == 2:
            place = components.setdefault(parts[0], {})
        else:
            known = [*sections, "data.NAME", "sentinels.NAME", *plugins.names("methods")]
            raise BadInput(f"--set {key}", "no such group of settings", nearest(parts[0], known))
        place[parts[-1]] = Word(value.strip())
        changed[key.strip()] = literal(value.strip())
    return changed


def _check_overridden(
    changed: Mapping[str, Any], datasets: Sequence[str], arms: Sequence[Arm], defaults: Mapping[str, Any]
) -> None:
    """A `--set` that no method would ever feel is refused: nothing that a user sets may be lost in silence."""
    for key in changed:
        component, _, setting = key.partition(".")
        dataset = setting.partition(".")[0]
        if component == "data" and dataset in plugins.names("datasets") and dataset not in datasets:
            raise BadInput(f"--set {key}", f"{dataset} is not in this grid", nearest(dataset, datasets))
        if component not in defaults:
            continue
        cls = plugins.get("methods", component)
        wanted = getattr(parse(cls.Settings, defaults[component], component), setting)
        found = [dict(arm.method.components).get(component) for arm in arms]
        if not any(found):
            raise BadInput(f"--set {key}", f"no method here has {component}", "add it to a method, or drop --set")
        if not any(settings and getattr(settings, setting) == wanted for settings in found):
            raise BadInput(f"--set {key}", "every method here gives its own value", "change it in the method string")


def _rename(name: str, changed: Mapping[str, Any], tiny: bool) -> str:
    """Runs with other settings are another grid: they never overwrite the leaderboard of the file's own."""
    felt = {key: value for key, value in sorted(changed.items()) if key.partition(".")[0] not in ("data", "sentinels")}
    suffix = "-" + hashlib.sha256(repr(felt).encode()).hexdigest()[:4] if felt else ""
    return name + suffix + ("-tiny" if tiny else "")
