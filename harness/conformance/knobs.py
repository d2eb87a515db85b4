"""Settings of a plugin: whether they say what they are, and whether anything changes when they are turned."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import Field
from typing import Any

from harness import interface
from harness.conformance.verdicts import Failed
from harness.errors import BadInput
from harness.settings import describe, parse
from harness.words import plural

MEND = "declare it with harness.settings.knob: a default, what it does, a range or choices, a unit"


def declared(cls: Any) -> str:
    """What a plugin says of itself. Raises `Failed` where something is left unsaid."""
    if not (cls.__doc__ or "").strip():
        raise Failed("the class has no docstring", "say in a line or two what it does, with its formula")
    if not cls.paper:
        raise Failed("`paper` is empty", 'name what it is from, or write "none"')
    if not getattr(getattr(cls.Settings, "__dataclass_params__", None), "frozen", False):
        raise Failed("`Settings` is no frozen dataclass", "write @dataclass(frozen=True) above it")
    for field, row in zip(fields(cls.Settings), describe(cls.Settings), strict=True):
        if not row["help"]:
            raise Failed(f"the setting {row['name']} does not say what it does", MEND)
        if type(field.default) in (int, float) and not row["range"]:
            raise Failed(f"the setting {row['name']} is a number without a range", MEND)
    api = f"interface {cls.api}" if hasattr(cls, "api") else f"no `api`, taken for interface {interface.VERSION}"
    return f"{api}; docstring, paper, {plural(len(fields(cls.Settings)), 'documented setting')}"


def fields(settings: type) -> tuple[Field[Any], ...]:
    return dataclasses.fields(settings)


def turn(default: Any, field: Field[Any], ends: Callable[[Any], str]) -> str | None:
    """How a setting was turned so that something came out different; None where nothing ever did.

    `ends` tells what comes out of some settings. Where the defaults don't show it, other settings are turned first: a
    setting may act only beside a certain choice of another. What can't be turned, as free text, is said.
    """
    if not list(turned(type(default), field, getattr(default, field.name))):
        return f"{field.name} is not turned: the kit knows no other value"
    for start, beside in _starts(default, field):
        before = ends(start)
        for value in turned(type(default), field, getattr(start, field.name)):
            after = ends(dataclasses.replace(start, **{field.name: value}))
            if before and after and before != after:
                return f"{field.name} at {value}{beside}"
    return None


def _starts(default: Any, field: Field[Any]) -> Iterator[tuple[Any, str]]:
    yield default, ""
    for other in fields(type(default)):
        if other.name != field.name:
            for value in turned(type(default), other, getattr(default, other.name)):
                yield dataclasses.replace(default, **{other.name: value}), f" beside {other.name} = {value}"


def turned(settings: type, field: Field[Any], value: Any) -> Iterator[Any]:
    """Other legal values of a setting, the likeliest to be felt first; none for free text and the like."""
    for other in dict.fromkeys(_others(field.metadata, value)):
        if other != value and _legal(settings, field.name, other):
            yield other


def _others(facts: Any, value: Any) -> list[Any]:
    if facts.get("choices"):
        return list(facts["choices"])
    if isinstance(value, bool):
        return [not value]
    bounds = [facts[name] for name in ("low", "high") if facts.get(name) is not None]
    if isinstance(value, int):
        return [2 * value or 1, value // 2, 1, *map(int, bounds)]
    if isinstance(value, float):
        return [0.5 * value or 0.5, 2 * value, *map(float, bounds)]
    if isinstance(value, tuple) and all(isinstance(part, int | float) for part in value):
        return [tuple(part + 1 for part in value), value[:1]]
    return []


def _legal(settings: type, name: str, value: Any) -> bool:
    try:
        parse(settings, {name: value}, "")
    except BadInput:
        return False
    return True
