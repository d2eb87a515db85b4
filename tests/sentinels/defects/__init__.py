"""Defects to plant in a run, a module for each sentinel that must name them: see `Defect`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

Break = Callable[[pytest.MonkeyPatch, Path], Iterable[str]]


def nothing(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    return ()


@dataclass(frozen=True)
class Defect:
    """A silent failure, planted in a real run of the `harness run` command on a miniature.

    `breaks` patches the code or breaks the files of a copy (made in the folder that it is given), and returns
    further `--set` words, such as the root of that copy.
    """

    sentinel: str  # the one that must name it
    what: str  # in a few words, for the table in the docs
    method: str = "prompt"
    sets: tuple[str, ...] = ()
    dataset: str = "caer"
    breaks: Break = nothing
    epochs: int = 2
