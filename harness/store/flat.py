"""Nested facts (settings, an environment, a row of a history) as names and values, and many values as a few."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def leaves(facts: Mapping[str, Any], joint: str = ".", before: str = "") -> Iterator[tuple[str, Any]]:
    """`{"train": {"lr": 1}}` as `train.lr`, `1`; nothing for an empty mapping."""
    for key, value in facts.items():
        if isinstance(value, Mapping):
            yield from leaves(value, joint, f"{before}{key}{joint}")
        else:
            yield f"{before}{key}", value


def thinned(count: int, most: int) -> list[int]:
    """Evenly spaced places among so many, the first and the last among them; all where there are few."""
    return list(range(count)) if count <= most else [round(i * (count - 1) / (most - 1)) for i in range(most)]
