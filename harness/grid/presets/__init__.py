"""Presets: published configurations as plain data, one TOML file each.

A preset's name may stand in a method string for its components (`clip-caer`, `clip-caer+ldl`); its sections
(`[train]`, `[model]`, …) are then the grid's defaults, which the grid's own sections and `--set` override. Each
says in `note` what of the publication could not be matched.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import BadInput
from harness.settings import spell


@dataclass(frozen=True)
class Preset:
    """A published configuration: its method string, and settings by section."""

    name: str
    method: str
    paper: str
    note: str
    sections: dict[str, dict[str, Any]]


@functools.cache
def names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.toml")))


@functools.cache
def get(name: str) -> Preset:
    raw = tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text(encoding="utf-8"))
    method = "".join(raw.pop("method").split())
    paper, note = (" ".join(raw.pop(key).split()) for key in ("paper", "note"))
    return Preset(name, method, paper, note, sections=raw)


def sections_of(presets: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The settings that the named presets share. Raises `BadInput` where they disagree."""
    merged: dict[str, dict[str, Any]] = {}
    first = origins(presets)
    for name in presets:
        for group, values in get(name).sections.items():
            for key, value in values.items():
                before = merged.setdefault(group, {}).setdefault(key, value)
                if before != value:
                    other = first[f"{group}.{key}"]
                    what = f"{other} has {group}.{key} = {spell(before)}, {name} has {spell(value)}"
                    raise BadInput(f"presets {other} and {name}", what, "train them in two grids")
    return merged


def origins(presets: Sequence[str]) -> dict[str, str]:
    """The first of the presets that has a setting, by the setting's whole name (`train.epochs`)."""
    return {
        f"{group}.{key}": name
        for name in reversed(presets)
        for group, values in get(name).sections.items()
        for key in values
    }
