"""Repeats of a measurement: each in a process of its own where imports count, told by their spread."""

from __future__ import annotations

import multiprocessing
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function gives in a new process, so that what it imports and allocates is not there already."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def spread(values: Sequence[float], digits: int = 4) -> dict[str, float]:
    chosen = {"min": min(values), "median": statistics.median(values), "max": max(values)}
    return {name: round(value, digits) for name, value in chosen.items()}


def columns(found: Sequence[Sequence[float]], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """The spread of each figure of repeats that gave several."""
    return {name: spread(values, 2) for name, values in zip(names, zip(*found, strict=True), strict=True)}


def show(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """A line for each row: its size, its step, and the spread of each figure."""
    size = next(iter(rows[0]))
    print(f"{size:>7}  {'step':<12}" + "".join(f"{name + ': min median max':>29}" for name in names))
    for row in rows:
        told = "".join("  " + "".join(f"{row[name][of]:>9,.2f}" for of in ("min", "median", "max")) for name in names)
        print(f"{row[size]:>7,}  {row['step']:<12}{told}")
