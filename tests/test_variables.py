"""Where the folders lie that the environment names."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.variables import cache_folder


@pytest.mark.parametrize(
    ("told", "place"),
    [
        ({"HARNESS_CACHE": "~/x", "XDG_CACHE_HOME": "/c"}, "/home/me/x"),
        ({"HARNESS_CACHE": "/y"}, "/y"),
        ({"HARNESS_CACHE": "", "XDG_CACHE_HOME": "~/c"}, "/home/me/c/harness"),
        ({"XDG_CACHE_HOME": ""}, "/home/me/.cache/harness"),
        ({}, "/home/me/.cache/harness"),
    ],
)
def test_the_cache_lies_where_the_environment_says(
    told: dict[str, str], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HARNESS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **told}.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(place)
