"""How a method is written: `prompt+ldl(temperature=0.1)+mixup`.

A method is a set of components with settings; the order of writing does not matter. Its canonical text sorts
the components by name and shows only the settings that differ from their defaults, so that one method has
one spelling everywhere: in grid files, run records and tables.

    method    = "plain" | component { "+" component }
    component = name [ "(" [ key "=" value { "," key "=" value } ] ")" ]
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness import plugins
from harness.errors import BadInput
from harness.grid import presets
from harness.settings import Word, given, parse, spell

PLAIN = "plain"  # the method without any component
_COMPONENT = re.compile(r"\s*([A-Za-z][\w-]*)\s*(?:\(([^()]*)\))?\s*")
_SETTING = re.compile(r"\s*([A-Za-z]\w*)\s*=\s*([^=,]+?)\s*")


class Incompatible(BadInput):
    """A set of components that can't work together: the reason is in `what`."""


@dataclass(frozen=True)
class Method:
    """Components by name, each with its checked settings, sorted by name."""

    components: tuple[tuple[str, Any], ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.components)

    def __str__(self) -> str:
        return "+".join(_spell_component(name, given(settings)) for name, settings in self.components) or PLAIN

    def resolved(self) -> dict[str, dict[str, Any]]:
        """Every setting of every component, defaults included: what a run's spec stores."""
        return {name: dataclasses.asdict(settings) for name, settings in self.components}


def read(text: str) -> dict[str, dict[str, Any]]:
    """The written components and settings of a method string, unchecked against any plugin.

    Raises `BadInput` for text that the grammar does not cover or a component named twice.
    """
    parts: dict[str, dict[str, Any]] = {}
    for piece in _split(text) if text.strip() != PLAIN else ():
        match = _COMPONENT.fullmatch(piece)
        if not match:
            raise BadInput(f"method {text!r}", f"can't read {piece!r}", "write it like prompt+ldl(temperature=0.1)")
        name, inside = match.group(1), match.group(2)
        if name in presets.names() and inside is not None:
            mend = "write out its components to change one: " + presets.get(name).method
            raise BadInput(f"method {text!r}", f"the preset {name} takes no settings", mend)
        found = (
            read(presets.get(name).method) if name in presets.names() else {name: _read_settings(inside or "", text)}
        )
        for component, settings in found.items():
            if component in parts:
                raise BadInput(f"method {text!r}", f"{component} stands there twice", "name each component once")
            parts[component] = settings
    return parts


def presets_in(text: str) -> list[str]:
    """The presets that a method string names."""
    return [name for name in (piece.strip() for piece in _split(text)) if name in presets.names()]


def resolve(text: str, defaults: Mapping[str, Mapping[str, Any]] | None = None) -> Method:
    """The checked method behind `text`; `defaults` gives settings for components that do not set them.

    Raises `BadInput` for unknown components and settings, `Incompatible` where `requires` or `excludes`
    forbid the combination.
    """
    written = read(text)
    components = []
    for name in sorted(written):
        cls = plugins.get("methods", name)
        values = {**(defaults or {}).get(name, {}), **written[name]}
        components.append((name, parse(cls.Settings, values, name)))
    _check_together(written, text)
    for name, settings in components:
        _check_spelling(name, settings)
    return Method(tuple(components))


def _check_together(written: Mapping[str, Any], text: str) -> None:
    for name in written:
        cls = plugins.get("methods", name)
        for other, why in cls.requires.items():
            if other not in written:
                raise Incompatible(text, f"{name} needs {other}: {why}", f"add {other} or drop {name}")
        for other, why in cls.excludes.items():
            if other in written:
                raise Incompatible(text, f"{name} and {other} exclude each other: {why}", "drop one of them")


def _check_spelling(name: str, settings: Any) -> None:
    """A grid file can give text that no method string can hold: its runs could not be named or repeated."""
    text = _spell_component(name, given(settings))
    try:
        same = parse(type(settings), read(text)[name], name) == settings
    except BadInput:
        same = False
    if not same:
        raise BadInput(name, f"{text!r} can't be read back", "leave out ( ) , = | and quotes in its settings")


def _split(text: str) -> list[str]:
    """Pieces between the `+` signs that stand outside brackets (`1e+3` inside brackets is a number)."""
    pieces, depth, start = [], 0, 0
    for position, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == "+" and depth == 0:
            pieces.append(text[start:position])
            start = position + 1
    return [*pieces, text[start:]]


def _read_settings(inside: str, text: str) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for piece in filter(str.strip, inside.split(",")):
        match = _SETTING.fullmatch(piece)
        if not match:
            raise BadInput(f"method {text!r}", f"can't read the setting {piece.strip()!r}", "write key=value")
        if match.group(1) in settings:
            raise BadInput(f"method {text!r}", f"{match.group(1)} is set twice", "set it once")
        settings[match.group(1)] = Word(match.group(2))
    return settings


def _spell_component(name: str, settings: Mapping[str, Any]) -> str:
    if not settings:
        return name
    return f"{name}({','.join(f'{key}={spell(value)}' for key, value in sorted(settings.items()))})"
