"""Typed settings: a frozen dataclass whose fields are made by `knob`, and the one way to fill it from text.

Every setting of the product (trainer, model, clips, data sets, components) is declared beside the code that
reads it and passes through `parse`, so that an unknown key, a wrong type or a value out of range is the same
clear `BadInput` everywhere. There is no global configuration object.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from harness.errors import BadInput, nearest

S = TypeVar("S")


def knob(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    choices: tuple[Any, ...] | None = None,
    unit: str = "",
) -> Any:
    """A settings field. `low`/`high` are inclusive bounds, `above` an exclusive lower one."""
    facts = {"help": help, "low": low, "high": high, "above": above, "choices": choices, "unit": unit}
    return dataclasses.field(default=default, metadata=facts)


def parse(cls: type[S], values: Mapping[str, Any], where: str) -> S:
    """An instance of the settings dataclass `cls` from `values`; absent keys take their defaults.

    Raises `BadInput` naming `where.key` for an unknown key, a wrong type, or a value outside its range.
    """
    fields = {field.name: field for field in dataclasses.fields(typing.cast(Any, cls))}
    hints = typing.get_type_hints(cls)
    checked = {}
    for key, value in values.items():
        if key not in fields:
            raise BadInput(f"{where}.{key}", "no such setting", nearest(key, fields))
        checked[key] = _check(value, hints[key], fields[key].metadata, f"{where}.{key}")
    return cls(**checked)


def given(settings: Any) -> dict[str, Any]:
    """The settings that differ from their defaults: what the short form of a method shows."""
    fields = dataclasses.fields(settings)
    return {f.name: getattr(settings, f.name) for f in fields if getattr(settings, f.name) != f.default}


def literal(text: str) -> Any:
    """The value behind a bare word of a method string or of `--set`: true/false, a number, else the text."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if "|" in text:
        return tuple(literal(part) for part in text.split("|") if part)
    return text.strip("\"'")


def spell(value: Any) -> str:
    """The inverse of `literal`; `spell(literal(text))` is the canonical spelling of a value."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, tuple | list):
        return "|".join(spell(part) for part in value) + ("|" if len(value) == 1 else "")
    return str(value)


def describe(cls: type) -> list[dict[str, Any]]:
    """One row a setting: name, type, default, range, unit and help, for `harness list`."""
    hints = typing.get_type_hints(cls)
    return [
        {
            "name": field.name,
            "type": getattr(hints[field.name], "__name__", str(hints[field.name])),
            "default": field.default,
            "range": _range_words(field.metadata),
            "unit": field.metadata.get("unit", ""),
            "help": field.metadata.get("help", ""),
        }
        for field in dataclasses.fields(typing.cast(Any, cls))
    ]


def _check(value: Any, hint: Any, facts: Mapping[str, Any], where: str) -> Any:
    value = _coerce(value, hint, where)
    if facts.get("choices") and value not in facts["choices"]:
        mend = nearest(str(value), map(str, facts["choices"]))
        raise BadInput(where, f"{value!r} is not a choice", mend)
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high, above = facts.get("low"), facts.get("high"), facts.get("above")
        outside = (low is not None and value < low) or (high is not None and value > high)
        if outside or (above is not None and value <= above) or value != value:
            raise BadInput(where, f"{value!r} is out of range", f"give a value {_range_words(facts)}")
    return value


def _coerce(value: Any, hint: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _coerce(value, next(a for a in arguments if a is not type(None)), where)
    if origin is tuple:
        parts = value if isinstance(value, tuple | list) else (value,)
        return tuple(_coerce(part, arguments[0], where) for part in parts)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is str and isinstance(value, int | float) and not isinstance(value, bool):
        return spell(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise BadInput(where, f"{value!r} is not a {hint.__name__}", f"give a {hint.__name__}")
    return value


def _range_words(facts: Mapping[str, Any]) -> str:
    if facts.get("choices"):
        return "one of " + ", ".join(map(spell, facts["choices"]))
    words = []
    if facts.get("above") is not None:
        words.append(f"above {spell(facts['above'])}")
    if facts.get("low") is not None:
        words.append(f"from {spell(facts['low'])}")
    if facts.get("high") is not None:
        words.append(f"up to {spell(facts['high'])}")
    return " ".join(words)
