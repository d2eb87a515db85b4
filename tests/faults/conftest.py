"""What the tests of faults share: the small run as it is when nothing goes wrong, which also fills the caches."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from faults.lab import harness, small, stored


@pytest.fixture(scope="session")
def undisturbed(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    """The stored runs of methods that were trained without any fault; each set of methods is trained once."""
    cache.mkdir(exist_ok=True)
    return _Undisturbed(tmp_path_factory)


class _Undisturbed:
    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self.folders = folders
        self.trained = cache(self._trained)

    def __call__(self, methods: str = "prompt+lsr") -> dict[str, Any]:
        return self.trained(methods)

    def _trained(self, methods: str) -> dict[str, Any]:
        folder = self.folders.mktemp("undisturbed")
        done = harness(*small(folder, methods=methods))
        assert done.code == 0, done.said
        return stored(folder / "runs")
