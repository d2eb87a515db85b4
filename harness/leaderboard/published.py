"""Scores that papers print, to stand beside ours with all that is known of how they came about.

They are never in one table with ours and nothing is computed from them: another choice of the epoch, another copy of
the data, and a single seed each make another number.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_UNKNOWN = "not stated"


@dataclass(frozen=True)
class Published:
    """One method's test scores as printed, fractions; None where the source gives none."""

    dataset: str
    method: str
    uar: float | None
    war: float | None
    source: str
    selection: str
    seeds: str


@cache
def published(dataset: str) -> tuple[Published, ...]:
    """What is known to be published on a data set, the lowest UAR first."""
    told = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))
    if dataset == "sources":
        return ()
    found = []
    for row in told.get(dataset, ()):
        source = told["sources"][row["source"]]
        uar, war = (row[metric] / 100 if metric in row else None for metric in ("uar", "war"))
        selection, seeds = (source.get(key, _UNKNOWN) for key in ("selection", "seeds"))
        found.append(Published(dataset, row["method"], uar, war, source["name"], selection, seeds))
    return tuple(found)
