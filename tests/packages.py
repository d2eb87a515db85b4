"""Plugin packages as they are once installed, without installing them: their entry points, and sources on the path."""

import os
import tomllib
from pathlib import Path

import pytest

from harness import plugins


def install(package: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the package known to this process and to those that it starts, until the test is over."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    facts = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (facts / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for folder in (site, package / "src"):
        monkeypatch.syspath_prepend(str(folder))
        before = os.environ.get("PYTHONPATH", "")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), before))))
    plugins._entry_points.cache_clear()
