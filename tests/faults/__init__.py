"""What can go wrong from outside, and what becomes of the runs: each fault is a test through the real command.

The decorator's three sentences are the test's row in docs/reliability.md, so that page and tests can't differ.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any, NamedTuple


class Fault(NamedTuple):
    """A row: what happens, what the command does about it, what is kept, and the test that shows it."""

    happens: str
    does: str
    kept: str
    test: str


FAULTS: list[Fault] = []


def fault(happens: str, does: str, kept: str) -> Callable[[Any], Any]:
    def noted(test: Any) -> Any:
        FAULTS.append(Fault(happens, does, kept, f"{test.__module__.partition('.')[2]}.py::{test.__name__}"))
        return test

    return noted


def every_fault() -> list[Fault]:
    """All rows, by the test modules' names and in the order in which a module has them."""
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name.startswith("test_"))
    for name in modules:
        importlib.import_module(f"{__name__}.{name}")
    return sorted(FAULTS, key=lambda row: row.test.partition("::")[0])
