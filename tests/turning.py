"""Turns a setting: another value of it that is legal."""

from __future__ import annotations

import dataclasses
from typing import Any


def turned(field: dataclasses.Field, value: Any) -> Any:
    """Another legal value of a setting."""
    facts = field.metadata
    if facts.get("choices"):
        return next(choice for choice in facts["choices"] if choice != value and choice != "")
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return tuple(part + 1 for part in value)
    if isinstance(value, int):
        other = 2 * value or 1
        return other if facts.get("high") is None or other <= facts["high"] else value - 1
    if isinstance(value, float):
        other = value * 0.5 if value else 0.5
        return other if facts.get("high") is None or other <= facts["high"] else facts["high"]
    raise AssertionError(f"the test can't turn {field.name} = {value!r}; teach it")
