"""The `harness run` that trains a stored run again, computed from its spec: right also for runs that a grid made."""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness import config, plugins, protocol
from harness.settings import spell

OF_THE_COPY = ("fingerprint", "miniature")  # what a spec says of the data beside their settings


def command(spec: Mapping[str, Any], runs: str = "") -> str:
    """Its plugins, data set, method and seed, the settings that are not default, and the store if one is told."""
    loaded = [word for file in plugin_files(spec) for word in ("--plugin", file)]
    chosen = [*loaded, "--datasets", spec["dataset"], "--methods", spec["method"], "--seeds", str(spec["seed"])]
    changed = [word for key, value in _changed(spec) for word in ("--set", f"{key}={spell(value)}")]
    return shlex.join(["harness", "run", *chosen, *changed, *stored_in(runs)])


def stored_in(runs: str) -> list[str]:
    """The words that name a store: none for the one that a command uses unless told."""
    return [] if runs in ("", config.runs()) else ["--runs", runs]


def store_of(folder: Path) -> str:
    """The store that a run's folder lies in, as a command names it from here."""
    runs, usual = folder.parents[1], config.runs()
    return usual if os.path.realpath(runs) == os.path.realpath(usual) else str(runs)


def plugin_files(spec: Mapping[str, Any]) -> list[str]:
    """The files that brought the run's plugins from outside, each once."""
    return list(dict.fromkeys(facts["file"] for facts in spec.get("plugins", {}).values() if facts["file"]))


def _changed(spec: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    dataset = spec["dataset"]
    known = dataset in plugins.names("datasets")  # else it came by a plugin that is not loaded now
    data = plugins.get("datasets", dataset).Settings if known else protocol.Data
    for group, cls in protocol.GROUPS.items():
        yield from _other_than_default(group, cls, spec.get(group, {}))
    yield from _other_than_default(f"data.{dataset}", data, spec.get("data", {}))
    if not known:
        names = {field.name for field in dataclasses.fields(data)}
        own = {key: value for key, value in spec.get("data", {}).items() if key not in {*names, *OF_THE_COPY}}
        yield from ((f"data.{dataset}.{key}", value) for key, value in own.items())
    for sentinel, told in spec.get("sentinels", {}).items():
        yield from ((f"sentinels.{sentinel}.{name}", value) for name, value in told.items())


def _other_than_default(group: str, cls: type, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(cls):
        value = values.get(field.name, field.default)
        value = tuple(value) if isinstance(value, list) else value  # JSON knows no tuples
        if value != field.default:
            yield f"{group}.{field.name}", value
