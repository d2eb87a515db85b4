"""Typed settings: a frozen dataclass whose fields are made by `knob`, and the one way to fill it from text.

Every setting of the product (trainer, model, clips, data sets, components) is declared beside the code that
reads it and passes through `parse`, so that an unknown key, a wrong type or a value out of range is the same
clear `BadInput` everywhere. There is no global configuration object.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import re
import sys
import tomllib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from harness.errors import BadInput, nearest

S = TypeVar("S")
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_TYPES = "bool, int, float or str, such a type | None, tuple[such a type, ...], or Mapping[str, str]"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Word(str):
    """A value as a method string or `--set` writes it: the setting that it fills decides how it is read."""


class Table(dict[str, str]):
    """A setting that holds a text for each of some names; never edited once made, so that settings can be hashed."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


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
    """A settings field. `low`/`high` are inclusive bounds, `above` an exclusive lower one.

    Its type is bool, int, float or str, such a type | None, tuple[such a type, ...], or Mapping[str, str]: what one
    word of a method string can spell, and read back.
    """
    facts = {"help": help, "low": low, "high": high, "above": above, "choices": choices, "unit": unit}
    default = Table(default) if isinstance(default, dict) else default
    return dataclasses.field(default=default, metadata=facts)


def parse(cls: type[S], values: Mapping[str, Any], where: str) -> S:
    """An instance of the settings dataclass `cls` from `values`; absent keys take their defaults.

    Raises `BadInput` naming `where.key` for an unknown key, a wrong type, or a value outside its range, and naming the
    class where a setting has a type that no word can spell.
    """
    fields = {field.name: field for field in dataclasses.fields(typing.cast(Any, cls))}
    hints = _types(typing.cast(Any, cls))
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
    """The value that a word looks like: true/false/none, a number, several of them with `|`, else its text."""
    if _unquoted(text) != text:
        return _unquoted(text)
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
    return str(text)


def spell(value: Any) -> str:
    """The canonical word for a value: the setting that it comes from reads the same value back."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, tuple | list):
        return "|".join(spell(part) for part in value) + ("|" if len(value) < 2 else "")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_quoted(name)} = {_quoted(value[name])}" for name in sorted(value)) + "}"
    text = str(value)
    return text if text and text == _unquoted(text.strip()) else f'"{text}"'


def describe(cls: type) -> list[dict[str, Any]]:
    """One row a setting: name, type, default, range, unit and help, for `harness list`."""
    hints = _types(cls)
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


@functools.cache
def _types(cls: type) -> dict[str, Any]:
    """The types of a class's settings. Raises `BadInput` for one whose values could not be spelled and read back."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(typing.cast(Any, cls)):
        hint = hints[field.name]
        if not _spelled(hint):
            told = hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else hint
            what = f"no setting can be of the type {told}"
            raise BadInput(f"{cls.__qualname__}.{field.name}", what, f"declare it as {_TYPES}")
    return hints


def _spelled(hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        rest = [argument for argument in arguments if argument is not type(None)]
        return len(rest) == 1 and rest[0] in _KINDS
    if origin is tuple:
        return arguments[1:] == (...,) and arguments[0] in _KINDS
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return arguments == (str, str)
    return hint in _KINDS


def _check(value: Any, hint: Any, facts: Mapping[str, Any], where: str) -> Any:
    value = _coerce(value, hint, where)
    for part in value if isinstance(value, tuple) else (value,):
        _check_range(part, facts, where)
    return value


def _check_range(value: Any, facts: Mapping[str, Any], where: str) -> None:
    if facts.get("choices") and value not in facts["choices"]:
        mend = nearest(str(value), map(str, facts["choices"]))
        raise BadInput(where, f"{value!r} is not a choice", mend)
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high, above = facts.get("low"), facts.get("high"), facts.get("above")
        outside = (low is not None and value < low) or (high is not None and value > high)
        beyond = abs(value) > sys.maxsize if isinstance(value, int) else not math.isfinite(value)
        if outside or beyond or (above is not None and value <= above):
            raise BadInput(where, f"{value!r} is out of range", f"give a value {_range_words(facts) or 'nearer to 0'}")


def _coerce(value: Any, hint: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if type(None) in arguments and (value is None or (isinstance(value, Word) and literal(value) is None)):
            return None
        return _coerce(value, next(a for a in arguments if a is not type(None)), where)
    if origin is tuple:
        if isinstance(value, Word):
            value = tuple(Word(part) for part in value.split("|") if part)
        parts = value if isinstance(value, tuple | list) else (value,)
        return tuple(_coerce(part, arguments[0], where) for part in parts)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        table = _inline_table(value) if isinstance(value, Word) else value
        if not isinstance(table, Mapping):
            raise BadInput(where, f"{value!r} is not a table", 'write it like {"a name" = "its text"}')
        return Table({_coerce(name, str, where): _coerce(table[name], str, f"{where}.{name}") for name in table})
    if isinstance(value, Word):
        value = _unquoted(value) if hint is str else literal(value)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return _as_float(value)
    if hint is str and isinstance(value, int | float) and not isinstance(value, bool):
        value = spell(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        kind = _KINDS.get(hint, f"a {hint.__name__}")
        raise BadInput(where, f"{value!r} is not {kind}", f"give {kind}")
    if isinstance(value, str) and _CONTROL.search(value):
        raise BadInput(where, f"{value!r} holds a control character", "leave it out")
    return value


def _inline_table(word: str) -> Any:
    """The table behind `{a = "text", "another name" = "text"}` as TOML writes it, or None."""
    try:
        found = tomllib.loads(f"table = {word}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return None
    return found["table"] if len(found) == 1 else None


def _as_float(value: float) -> float:
    try:
        return float(value) + 0.0  # -0.0 is 0.0: one value, one spelling, one run
    except OverflowError:
        return math.inf  # refused with all that is out of range


def _quoted(text: str) -> str:
    """The text as a TOML string."""
    return json.dumps(text, ensure_ascii=False)


def _unquoted(text: str) -> str:
    """The text without the pair of quotes around it."""
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'" else str(text)


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


def recording(settings: S) -> S:
    """The same settings, which from now on remember which of them were read: see `unread`."""
    cls = type(settings)
    seen: set[str] = set()
    names = {field.name for field in dataclasses.fields(typing.cast(Any, settings))}

    def read(self: Any, name: str) -> Any:
        if name in names:
            seen.add(name)
        return object.__getattribute__(self, name)

    watched: Any = object.__new__(type(cls.__name__, (cls,), {"__getattribute__": read, "_seen": seen}))
    for name in names:
        object.__setattr__(watched, name, getattr(settings, name))
    return watched


def unread(settings: Any) -> list[str]:
    """Settings other than their default that nobody has read since they were made by `recording`."""
    seen = getattr(type(settings), "_seen", None)
    if seen is None:
        return []
    fields = [field for field in dataclasses.fields(settings) if field.name not in seen]
    return [field.name for field in fields if object.__getattribute__(settings, field.name) != field.default]


def plain(settings: S) -> S:
    """The same settings, reading which leaves no trace in what `recording` remembers: for who only watches."""
    cls = type(settings)
    copied: Any = object.__new__(cls.__mro__[1] if hasattr(cls, "_seen") else cls)
    copied.__dict__.update(vars(settings))
    return copied
