"""Plugin packages as they are once installed, without installing them: their entry points, and sources on the path."""

import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import plugins


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Makes a package known to this process and to those that it starts, until the test is over."""
    before, site = set(sys.modules), tmp_path / "site-packages"

    def one(package: Path) -> None:
        _describe(tomllib.loads((package / "pyproject.toml").read_text())["project"], site)
        for folder in (site, package / "src"):
            monkeypatch.syspath_prepend(str(folder))
            paths = filter(None, (str(folder), os.environ.get("PYTHONPATH")))
            monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
        sources.extend(file.stem for file in (package / "src").glob("*.py"))
        plugins._entry_points.cache_clear()

    sources: list[str] = []
    yield one
    monkeypatch.undo()
    plugins._entry_points.cache_clear()
    for module in set(sources) - before:
        sys.modules.pop(module, None)


def _describe(project: dict, site: Path) -> None:
    """Writes what pip would write beside the package."""
    name, version = project["name"], project["version"]
    facts = site / f"{name.replace('-', '_')}-{version}.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in points.items())]
    (facts / "entry_points.txt").write_text("\n".join(lines) + "\n")
